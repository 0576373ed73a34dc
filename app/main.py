"""create_app: settings → classifier → routes, and the page.

Ignores: the server that runs the application, which is `app.cli`'s.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from app import problems, routes
from app.classifier import Classifier
from app.logs import RequestLog
from app.settings import Settings

STATIC = Path(__file__).parent / "static"


async def page() -> FileResponse:
    """The page to draw a digit on."""
    return FileResponse(STATIC / "index.html")


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application, its model loaded; a ModelError where the model file cannot be served."""
    settings = settings or Settings()
    classifier = Classifier(settings.model)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, routes.Service]]:
        yield {"service": routes.Service(settings, classifier, CapacityLimiter(settings.threads))}

    app = FastAPI(
        title="Digits",
        summary="Reads a handwritten digit from any picture.",
        version=version("digits"),
        lifespan=lifespan,
    )
    app.include_router(routes.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_api_route("/", page, include_in_schema=False)
    problems.install(app)
    app.add_middleware(RequestLog)
    return app
