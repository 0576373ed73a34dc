"""create_app: settings → classifier → routes, and the page.

Ignores: the server that runs the application, which is `app.server.process`'s.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from app.web import problems, routes
from app.inference.classifier import Classifier
from app.web.draining import Draining
from app.web.auth import SCHEMES, Keys
from app.web.admission import Budget
from app.metrics import Metrics
from app.web.middleware import RequestMiddleware
from app.inference.reader import Reader
from app.web.headers import NO_SNIFFING, Headers, docs_headers, page_headers
from app.settings import Settings
from app.web.shortcut import Shortcut

STATIC = Path(__file__).parent / "page"


async def page() -> FileResponse:
    """The page to draw a digit on."""
    return FileResponse(STATIC / "index.html")


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The application, its model loaded; a ModelError where the model file cannot be served."""
    settings = settings or Settings()
    classifier = Classifier(settings.model)
    metrics = Metrics(model_labels(classifier))
    draining = Draining()
    keys = Keys(settings.api_keys)
    bodies = Budget(
        settings.max_held_bytes, "Too many pictures are being sent at once: send this one again in a second."
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, routes.Service]]:
        reader = Reader(settings, classifier, metrics)
        with draining.on_sigterm(settings.drain_seconds):
            yield {"service": routes.Service(settings, classifier, reader, metrics, keys, draining, bodies)}

    app = FastAPI(
        title="Digits",
        summary="Reads a handwritten digit from any picture.",
        version=version("digits"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(routes.guarded, dependencies=SCHEMES if settings.api_keys else [])
    app.include_router(routes.unguarded)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_api_route("/", page, include_in_schema=False)
    docs = get_swagger_ui_html(openapi_url="openapi.json", title="Digits")
    app.add_api_route("/docs", lambda: docs, include_in_schema=False)
    problems.install(app)
    return around(app, settings, metrics, {"": page_headers(), "/docs": docs_headers(bytes(docs.body).decode())})


def around(app: ASGIApp, settings: Settings, metrics: Metrics, headers: Mapping[str, Headers]) -> ASGIApp:
    """FastAPI's application, inside what every request passes through; POST /predict passes by it."""
    app = Shortcut(app, method="POST", path="/predict", endpoint=routes.predict)
    app = RequestMiddleware(app, metrics, {**headers, "/predict": NO_SNIFFING})
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    return app


def model_labels(classifier: Classifier) -> dict[str, str]:
    """What the metrics say of the model."""
    return {"version": classifier.version, "architecture": classifier.metadata.get("architecture", "")}
