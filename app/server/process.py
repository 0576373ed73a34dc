"""Settings → uvicorn, in one process or several."""

import multiprocessing
import os
import signal
import socket
import sys
from functools import partial
from tempfile import TemporaryDirectory

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from app.main import create_app
from app.server import memory, patterns
from app.server.protocol import Protocol
from app.serving.networks import Files, Networks
from app.serving.processes import interrupts_held
from app.settings import PREFIX, Settings, unknown_variables
from app.shared_metrics import METRICS_FOLDER
from app.web.keys import InvalidKeys

BACKLOG = 2048  # connections that wait to be accepted; uvicorn's default
SEMAPHORES = 2  # that pebble creates for a pool of decoder processes
LOG = structlog.get_logger("digits")


class CannotStart(Exception):
    """The service cannot start; the message says why and what to do."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; Ctrl-C may raise KeyboardInterrupt.

    Raises CannotStart, or ModelError for a file that cannot be used.
    """
    for sentence in unknown_variables(os.environ):
        LOG.warning(sentence)
    networks = Networks.load(*settings.files, settings.second_opinion)
    try:  # with several workers, to check that they can, too
        app = create_app(settings, networks)
    except InvalidKeys as error:
        raise CannotStart(str(error)) from error
    require_semaphores(SEMAPHORES * settings.workers)
    listener = listen(settings.host, settings.port)
    memory.allow_many_connections()
    try:
        about = networks.about.items()
        versions = {name: each["version"] for name, each in about}
        LOG.info("serving", url=url_of(listener), version=app.version, models=versions)
        if settings.second_opinion and not networks.opinion:
            LOG.warning(
                f"Digits are read without a second opinion, since {settings.model} has "
                f"no weights for it that were fitted with {settings.lines_model}: "
                "python -m training.opinion fits them."
            )
        run(app, listener, settings, networks.files)
    finally:
        LOG.info("stopped")


def require_semaphores(count: int) -> None:
    """Raise CannotStart unless /dev/shm has room for so many semaphores."""
    semaphores = []
    try:
        for _ in range(count):
            semaphores.append(multiprocessing.RLock())
    except OSError as error:
        cause = os.strerror(error.errno or 0)
        raise CannotStart(
            f"Decoder processes cannot be started ({cause}): free or enlarge /dev/shm, "
            "in Docker with --shm-size."
        ) from error


class Workers(Multiprocess):
    """uvicorn's supervisor of workers, whose start-up Ctrl-C does not interrupt."""

    def init_processes(self) -> None:
        """Start the workers with SIGINT blocked, which `create_worker_app` unblocks."""
        with interrupts_held():
            super().init_processes()


def run(
    app: FastAPI, listener: socket.socket, settings: Settings, files: Files
) -> None:
    """Run uvicorn, in one process or several, until it is told to stop."""
    if settings.workers == 1:
        memory.tune()
        # Uvicorn raises the signal again after shutdown.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        uvicorn.Server(config(app, settings)).run([listener])
        return
    with TemporaryDirectory(prefix="digits-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        for name, path in files._asdict().items():
            os.environ[f"{PREFIX}{name.upper()}"] = str(path or "none")
        of_workers = config("app.server.worker:create_worker_app", settings)
        Workers(of_workers, [listener]).run()


def url_of(listener: socket.socket) -> str:
    """Return the URL that a socket listens on."""
    host, port, *_ = listener.getsockname()
    if ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}"


def config(app: FastAPI | str, settings: Settings) -> uvicorn.Config:
    """Configure uvicorn for an application, or for the name of its factory."""
    patterns.replace()
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=settings.workers,
        http=partial(Protocol, client_timeout_seconds=settings.client_timeout_seconds),  # type: ignore[arg-type]
        # uvloop gains less than 5 %, and some of 400 busy connections wait for seconds.
        loop="asyncio" if sys.platform == "win32" else "app.server.loop:Loop",
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        log_config=None,  # logs.configure does it
        access_log=False,  # RequestMiddleware writes these
        server_header=False,
        proxy_headers=False,  # the client's address is not used
        timeout_graceful_shutdown=settings.shutdown_timeout_seconds,
    )


def listen(host: str, port: int) -> socket.socket:
    """Open a socket that listens on the address, for any number of workers."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # create_server does not report an unknown host.
        socket.getaddrinfo(host or None, port)
        listener = socket.create_server(
            (host, port),
            family=family,
            backlog=BACKLOG,
            # All interfaces include those of IPv4.
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
    except (socket.gaierror, UnicodeError) as error:
        raise CannotStart(
            f"The host {host} is unknown. Choose another one with --host or "
            "DIGITS_HOST."
        ) from error
    except OSError as error:
        cause = os.strerror(error.errno or 0)
        raise CannotStart(
            f"{host}:{port}: {cause}. Choose another address with --host and --port, "
            "or DIGITS_HOST and DIGITS_PORT."
        ) from error
    # h11 writes a response in several small pieces.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.set_inheritable(True)
    return listener
