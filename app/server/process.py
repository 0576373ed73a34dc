"""Settings → uvicorn, in this process or in several."""

import os
import signal
import socket
import sys
from functools import partial
from multiprocessing import resource_tracker
from tempfile import TemporaryDirectory
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from app.main import create_app
from app.server import memory
from app.server.protocol import Protocol
from app.server.worker import METRICS_FOLDER, hold_interrupts
from app.settings import Settings, unknown_variables

BACKLOG = 2048
LOG = structlog.get_logger("digits")


class NotListening(Exception):
    """The address cannot be listened on; the message says which and why."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C, which a KeyboardInterrupt may follow.

    Raises NotListening, or ModelError where the model cannot be served.
    """
    for sentence in unknown_variables(os.environ):
        LOG.warning(sentence)
    app = create_app(settings)  # with several workers, to see that they can make one
    listener = listen(settings.host, settings.port)
    memory.allow_many_connections()
    LOG.info("serving", url=url_of(listener), version=app.version, model=app.state.model)
    try:
        run(app, listener, settings)
    finally:
        LOG.info("stopped")


class Workers(Multiprocess):
    """uvicorn's workers; Ctrl-C, which a terminal sends to them too, does not interrupt those that are starting."""

    def init_processes(self) -> None:
        """Start the workers, which inherit that Ctrl-C has to wait; it waits for `create_worker_app`."""
        if sys.platform != "win32":
            resource_tracker.ensure_running()  # the first worker would start it, and it lets them through again
        hold_interrupts(True)
        super().init_processes()
        hold_interrupts(False)


def run(app: FastAPI, listener: socket.socket, settings: Settings) -> None:
    """Run uvicorn, in this process or in several, until it is told to stop."""
    if settings.workers == 1:
        memory.tune()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it anew once it has stopped
        uvicorn.Server(config(app, settings)).run([listener])
        return
    with TemporaryDirectory(prefix="digits-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        Workers(config("app.server.worker:create_worker_app", settings, factory=True), [listener]).run()


def url_of(listener: socket.socket) -> str:
    """The address that a socket listens on."""
    host, port, *_ = listener.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def config(app: FastAPI | str, settings: Settings, **options: Any) -> uvicorn.Config:  # noqa: ANN401
    """uvicorn's configuration."""
    return uvicorn.Config(
        app,
        workers=settings.workers,
        http=partial(Protocol, client_timeout_seconds=settings.client_timeout_seconds),  # type: ignore[arg-type]
        loop="asyncio",  # uvloop gains less than a twentieth, and lets some of 400 busy connections wait for seconds
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        log_config=None,  # as logs.configure says
        access_log=False,  # RequestMiddleware writes these
        server_header=False,
        proxy_headers=False,  # nothing here uses the client's address
        timeout_graceful_shutdown=max(0, settings.shutdown_timeout_seconds - settings.drain_seconds),
        **options,
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on the address, for any number of workers."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.getaddrinfo(host or None, port)  # create_server would hide that there is no such host
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (socket.gaierror, UnicodeError) as error:
        raise NotListening(f"The host {host} is unknown. Choose another one with --host or DIGITS_HOST.") from error
    except OSError as error:
        cause = os.strerror(error.errno or 0)
        raise NotListening(
            f"{host}:{port}: {cause}. Choose another address with DIGITS_HOST and DIGITS_PORT."
        ) from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # h11's answers are several small writes
    listener.set_inheritable(True)
    return listener
