"""A request's body as it arrives: counted, within its time, and inflated where it is compressed."""

import asyncio
from collections.abc import Callable

from fastapi import Request

from app.settings import Settings
from app.web.admission import Holding
from app.web.errors import UploadTooSlow


async def read_body(request: Request, write: Callable[[bytes], object]) -> None:
    """Pass the body on, piece by piece.

    Raises UploadError where it is too large or too slow, Overloaded where bodies take up all the memory that there is
    for them.
    """
    settings: Settings = request.state.settings
    holding: Holding = request.state.holding
    try:
        async with asyncio.timeout(settings.body_timeout_seconds):
            async for chunk in request.stream():
                holding.take_bytes(len(chunk))
                write(chunk)
    except TimeoutError as error:
        raise UploadTooSlow(
            f"The request was not complete within {settings.body_timeout_seconds:g} seconds: "
            "send it again, or a smaller picture."
        ) from error
