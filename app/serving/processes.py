"""How the processes of the service, and of `digits bulk`, start and end."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


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


def end_with_parent() -> None:
    """Send SIGTERM to this process when its parent ends, even if that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait_and_end() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait_and_end, daemon=True).start()
