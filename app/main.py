"""create_app: settings → the FastAPI application, and `app` for `fastapi run` and
`uvicorn app.main:app`.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from app.digit.reading import read_digit
from app.metrics import Metrics
from app.serving.decoder import warm_up
from app.serving.networks import Networks
from app.serving.reader import Reader
from app.settings import Settings
from app.web import (
    corrections,
    course,
    docs,
    forms,
    infer,
    open_inference,
    problems,
    routes,
    rows,
)
from app.web.admission import Admission
from app.web.auth import Authentication
from app.web.draining import Draining
from app.web.keys import Keys
from app.web.middleware import LingeringMiddleware, RequestMiddleware
from app.web.records import record
from app.web.service import Service

CLOSING_SECONDS = 4  # for the decoder processes to end, after the last request
PAGE = Path(__file__).parent / "page"


def create_app(
    settings: Settings | None = None, networks: Networks | None = None
) -> FastAPI:
    """Create the application, and load its models unless they are given; raise
    ModelError or InvalidKeys for a file that cannot be used.
    """
    settings = settings or Settings()
    networks = networks or Networks.load(*settings.files, settings.second_opinion)
    if networks.pages:
        networks.pages.unload()  # only decoders run it
    metrics = Metrics(networks.about)
    draining = Draining()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Any]]:
        reader = Reader.of(
            settings,
            networks,
            settings.decoders,
            metrics.decoders_killed.inc,
            partial(record, metrics),
        )
        metrics.decoders.set(settings.decoders)
        admission = Admission(settings, metrics.queue_depth)
        folder = corrections.corrections_of(settings)
        stopped_after = (
            settings.drain_seconds + settings.shutdown_timeout_seconds + CLOSING_SECONDS
        )
        with (
            draining.on_sigterm(settings.drain_seconds, stopped_after),
            closing(reader.decoders),
        ):
            read = partial(
                read_digit, classifier=networks.digits, opinion=networks.opinion
            )
            await asyncio.gather(
                reader.decoders.start(),
                # In a thread, so that what FastAPI needs for its threads is loaded too.
                run_in_threadpool(warm_up, read),
            )
            service = Service(settings, reader, metrics, draining, admission, folder)
            yield {"service": service}

    app = FastAPI(
        title="Digits",
        summary="Reads handwritten digits and numbers from any picture.",
        version=version("digits"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # Good names in generated clients.
        generate_unique_id_function=lambda route: route.name,
        # Behind a proxy that terminates TLS, a redirect would send the key in clear
        # text.
        redirect_slashes=False,
    )
    keys = Keys(settings.api_keys, settings.api_keys_file, metrics.authenticated)
    guard = [Depends(Authentication(keys))] if keys.names else []
    for module in (routes, open_inference):
        app.include_router(module.guarded, dependencies=guard)
        app.include_router(module.unguarded)
    for module in (corrections, forms, rows):
        app.include_router(module.guarded, dependencies=guard)
    app.include_router(docs.router)
    app.include_router(course.router)
    app.mount("/swagger", StaticFiles(directory=docs.SWAGGER))
    app.mount("/static", StaticFiles(directory=PAGE))
    app.add_api_route(
        "/",
        lambda: FileResponse(PAGE / "index.html"),
        methods=["GET", "HEAD"],
        include_in_schema=False,
    )
    app.openapi = partial(docs.openapi, app)  # type: ignore[method-assign] # as in FastAPI's documentation
    problems.install(app)
    app.add_middleware(RequestMiddleware, metrics=metrics)
    app.add_middleware(LingeringMiddleware, seconds=settings.client_timeout_seconds)
    # Outermost, so that pages from other origins can read refusals too.
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["X-Request-ID", "Retry-After", infer.HEADER],
        )
    return app


def __getattr__(name: str) -> FastAPI:
    """Create `app` on first access, so that importing this module does nothing."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["app"] = created = create_app()
    return created
