"""One of several worker processes: its application, its part in the metrics of all, and its end with the parent."""

import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import structlog
from fastapi import FastAPI

from app.server import logs, memory
from app.settings import Settings

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client looks for it when it is imported
METRICS_FILES, METRICS_FILE_BYTES = ("counter", "histogram", "gauge_livesum"), 1 << 20  # as prometheus-client has them


def create_worker_app() -> FastAPI:
    """The application of this worker, with the settings of the environment."""
    hold_interrupts(False)  # uvicorn handles them by now
    settings = Settings()
    logs.configure(settings.log_level, settings.log_format)
    threading.Thread(target=end_with_parent, daemon=True).start()
    share_metrics(Path(os.environ[METRICS_FOLDER]))
    from app.main import create_app

    app = create_app(settings)
    memory.tune()
    return app


def hold_interrupts(is_held: bool) -> None:
    """Let Ctrl-C wait, or let it through."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK if is_held else signal.SIG_UNBLOCK, {signal.SIGINT})


def end_with_parent() -> None:
    """Wait for the parent's end, and stop as by SIGTERM; else a worker whose parent was killed would serve for ever."""
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def share_metrics(folder: Path) -> None:
    """Take the disk space of this worker's metrics; where there is none, keep them to this worker.

    The files are mapped into memory: to write to one for which the disk has no space would end the process.
    """
    files = [folder / f"{kind}_{os.getpid()}.db" for kind in METRICS_FILES]
    try:
        for file in files:
            file.write_bytes(bytes(METRICS_FILE_BYTES))
    except OSError as error:
        structlog.get_logger("digits").warning("/metrics tells of one worker only", reason=str(error))
        for file in files:
            file.unlink(missing_ok=True)
        del os.environ[METRICS_FOLDER]
    else:
        forget_the_dead(folder)


def forget_the_dead(folder: Path) -> None:
    """Drop the gauges of workers that were killed; their counters stay."""
    if sys.platform == "win32":  # signal 0 is Ctrl-C there
        return
    for file in folder.glob("gauge_live*_*.db"):
        try:
            os.kill(int(file.stem.rsplit("_", 1)[-1]), 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another worker was first
                file.unlink()
