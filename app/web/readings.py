"""Pictures of a request → readings, as far as there are places for them; each is measured and counted.

The small pictures of one request are read together, its large ones one after another, so that other requests have
their turn in between.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from fastapi import Request
from PIL import Image

from app.inference.decoders import Busy
from app.inference.reader import Reader
from app.inference.reading import Reading, attempt
from app.web.admission import Holding, Resource
from app.web.legibility import check_legibility
from app.web.telemetry import record, record_answer, record_reading

SECONDS = 20.0  # from the first picture of a request on; pictures that have not begun by then are refused


async def read_one(request: Request, picture: bytes) -> Reading:
    """Read the digit on the one picture of a request."""
    small = request.state.reader.open_if_small(picture)
    request.state.holding.take(queue_of(small))
    return await read_opened(request, picture, small)


async def read_several(request: Request, pictures: Sequence[bytes]) -> list[Reading | Exception]:
    """Read the digit on each picture; of one that cannot be read, the reason. Overloaded where there are no places."""
    holding: Holding = request.state.holding
    opened = [attempt(request.state.reader.open_if_small, picture) for picture in pictures]
    places = holding.take_share(Counter(queue_of(small) for small in opened if not isinstance(small, Exception)))
    turns = {queue: asyncio.Semaphore(count) for queue, count in places.items()}
    begin_by = time.monotonic() + SECONDS

    async def read_in_turn(picture: bytes, small: Image.Image | Exception | None) -> Reading | Exception:
        if isinstance(small, Exception):
            return small
        async with turns[queue_of(small)]:
            if time.monotonic() > begin_by:
                return Busy()
            try:
                return await read_opened(request, picture, small)
            except Exception as error:  # whatever it is, the others are read
                return error

    work = list(map(read_in_turn, pictures, opened))
    del opened  # so that each decoded picture is freed as soon as it has been read
    return await asyncio.gather(*work)


async def read_opened(request: Request, picture: bytes, small: Image.Image | None) -> Reading:
    """Read a picture that has its place; NotADigit where it is less legible than the settings ask for."""
    reader: Reader = request.state.reader
    reading = await (reader.read_small(small) if small else reader.read_large(picture))
    record(reading.stages, queue_of(small), request.state.metrics)
    record_reading(reading, request.state.metrics)
    check_legibility(reading, request.state.settings.min_legibility)
    record_answer(reading, request.state.metrics)
    return reading


def queue_of(small: Image.Image | None) -> Resource:
    """Where a picture waits."""
    return Resource.SMALL if small else Resource.LARGE
