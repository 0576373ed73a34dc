"""The application of one of several worker processes."""

import os
import signal
import sys
from pathlib import Path

from fastapi import FastAPI

from app.server import logs, memory
from app.serving.processes import end_with_parent
from app.settings import Settings
from app.shared_metrics import METRICS_FOLDER, share_metrics


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
