"""One of several worker processes: its application, and its share of the metrics."""

import os
import signal
import sys
from pathlib import Path

import structlog
from fastapi import FastAPI

from app.server import logs, memory
from app.serving.processes import METRICS_FOLDER, end_with_parent
from app.settings import Settings

# As in prometheus-client.
METRICS_FILES = ("counter", "histogram", "gauge_livesum")
METRICS_FILE_BYTES = 1 << 20


def create_worker_app() -> FastAPI:
    """Create the application of this worker, with settings from the environment."""
    # Blocked so far; uvicorn's handler is installed by now.
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    settings = Settings()
    logs.configure(settings.log_level, settings.log_format)
    end_with_parent()
    share_metrics(Path(os.environ[METRICS_FOLDER]))
    from app.main import create_app

    app = create_app(settings)
    memory.tune()
    return app


def share_metrics(folder: Path) -> None:
    """Reserve disk space for this worker's metrics, or do not share them.

    The files are memory-mapped: writing to one on a full disk would kill the process.
    """
    files = [folder / f"{kind}_{os.getpid()}.db" for kind in METRICS_FILES]
    try:
        for file in files:
            file.write_bytes(bytes(METRICS_FILE_BYTES))
    except OSError as error:
        structlog.get_logger("digits").warning(
            "/metrics covers only one worker", reason=str(error)
        )
        for file in files:
            file.unlink(missing_ok=True)
        del os.environ[METRICS_FOLDER]
    else:
        forget_killed_workers(folder)


def forget_killed_workers(folder: Path) -> None:
    """Delete the gauges of workers that were killed; their counters stay."""
    if sys.platform == "win32":
        return  # signal 0 is Ctrl-C there
    for file in folder.glob("gauge_live*_*.db"):
        try:
            os.kill(int(file.stem.rsplit("_", 1)[-1]), 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)  # another worker may have deleted it
