"""How the processes of the service, and of `digits bulk`, start and end."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Start processes with SIGINT blocked: Ctrl-C in a terminal reaches them too, and
    would break their start-up.
    """
    if sys.platform == "win32":
        yield
        return
    # If the first of these processes started it, it would unblock SIGINT.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def decoder_context() -> BaseContext:
    """Return how decoder processes start: forked, if possible, from one that has
    preloaded all modules, and shares its memory with them.
    """
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context(
        "forkserver" if "forkserver" in methods else "spawn"
    )
    # More threads would compete for the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Or a folder `app` in the working directory would be imported.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    context.set_forkserver_preload(["app.serving.decoder"])
    return context


def preload() -> None:
    """Start the process that decoder processes are forked from: it imports their
    modules while this one imports its own.
    """
    if decoder_context().get_start_method() == "forkserver":
        from multiprocessing import forkserver

        with interrupts_held():
            forkserver.ensure_running()


def end_with_parent() -> None:
    """Send SIGTERM to this process when its parent ends, even if that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait_and_end() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait_and_end, daemon=True).start()
