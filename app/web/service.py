"""What the endpoints need, as dependencies of FastAPI."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.corrections import Corrections
from app.metrics import Metrics
from app.serving.reader import Reader
from app.settings import Settings
from app.web.admission import Admission
from app.web.draining import Draining


@dataclass(frozen=True)
class Service:
    """The parts of a running service."""

    settings: Settings
    reader: Reader
    metrics: Metrics
    draining: Draining
    admission: Admission
    corrections: Corrections | None


async def service_of(request: Request) -> Service:
    """Return the service that handles a request."""
    service: Service = request.state.service
    return service


Serving = Annotated[Service, Depends(service_of)]
