"""Settings → uvicorn, in this process or in several. Ignores: what is served, which is `create_app`'s."""

import ctypes
import gc
import os
import re
import resource
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from app.server import logs
from app.main import create_app
from app.server.protocol import Protocol
from app.settings import Settings

BACKLOG = 2048
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's mallopt
LARGE_BLOCK_BYTES = 8_000_000
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client reads it, in each worker


class NotListening(Exception):
    """The address cannot be listened on; the message says which and why."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises NotListening, or ModelError where the model cannot be served."""
    app = create_app(settings)  # with several workers, to see that they can make one
    listener = listen(settings.host, settings.port)
    allow_many_connections()
    host, port, *_ = listener.getsockname()
    structlog.get_logger("digits").info(f"serving on http://{f'[{host}]' if ':' in host else host}:{port}")
    if settings.workers == 1:
        manage_memory()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it anew once it has stopped
        uvicorn.Server(config(app, settings)).run([listener])
        return
    with TemporaryDirectory(prefix="digits-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        Multiprocess(config("app.server.process:worker", settings, factory=True), [listener]).run()


def worker() -> ASGIApp:
    """The application in one of several workers, with the settings of the environment."""
    forget_the_dead(Path(os.environ[METRICS_FOLDER]))
    settings = Settings()
    logs.configure(settings.log_level)
    app = create_app(settings)
    manage_memory()
    return app


def manage_memory() -> None:
    """Leave what start-up made out of the garbage collector's rounds, and make these rarer: a tenth of the time.

    A large picture asks for a round of its own, see `app.inference.reader`. Its large blocks go back to the system as they are
    freed: glibc would come to keep those of up to 32 MB, in each thread, and eight bombs at once took up to 551 MB for
    447. Of small blocks it keeps twice that, as it would then; with less, a 640×480 JPEG takes 5 ms for 3. And it keeps
    them in one place: with one for each thread, memory rose by 5 MB whenever one more thread came to be at work.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    with suppress(AttributeError):  # another libc
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BLOCK_BYTES)
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def config(app: ASGIApp | str, settings: Settings, **options: Any) -> uvicorn.Config:  # noqa: ANN401
    """uvicorn's configuration."""
    return uvicorn.Config(
        app,
        workers=settings.workers,
        http=partial(Protocol, header_timeout_seconds=settings.header_timeout_seconds),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        log_config=None,  # as logs.configure says
        access_log=False,  # RequestMiddleware writes these
        server_header=False,
        proxy_headers=False,  # nobody asks for the client's address
        timeout_graceful_shutdown=max(0, settings.shutdown_timeout_seconds - settings.drain_seconds),
        **options,
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on the address, for any number of workers."""
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
        )
    except OSError as error:
        raise NotListening(
            f"{host}:{port}: {os.strerror(error.errno or 0)}. Choose another address with DIGITS_HOST and DIGITS_PORT."
        ) from error
    listener.set_inheritable(True)
    return listener


def allow_many_connections() -> None:
    """Raise the soft limit on open files, often 1,024, to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def forget_the_dead(folder: Path) -> None:
    """Drop the gauges of workers that were killed; their counters stay."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = int(re.findall(r"\d+", path.stem)[-1])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)
