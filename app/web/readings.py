"""Pictures of a request → readings, subject to admission; each is recorded in the metrics.

The small pictures of one request are read in batches, its large ones one after another, so that other requests get
their turn.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext

from fastapi import Request
from PIL import Image

from app.inference.decoders import Busy
from app.inference.reader import Reader
from app.inference.reading import Reading
from app.inference.text import Text
from app.preprocess.maps import Map
from app.web import problems
from app.web.admission import Holding, Resource
from app.web.legibility import legible
from app.web.telemetry import record_answer, record_reading, record_text

# Per request; pictures that have not started by then are refused. This is checked before each is opened, since 256
# hostile headers take 5 s, and before it is read, since large pictures wait for each other.
SECONDS = 20.0


async def read_one(request: Request, picture: bytes) -> Reading:
    """Read the digit in the only picture of a request."""
    small = await request.state.reader.open_in_turn(picture)
    request.state.holding.take(queue_of(small))
    return await read_opened(request, picture, small)


async def read_with_ink(request: Request, picture: bytes) -> Reading:
    """Read the digit in the only picture of a request, and return all ink in the picture with it."""
    request.state.holding.take(Resource.LARGE)
    reading: Reading = await request.state.reader.read_large(picture, with_ink=True)
    record_reading(reading, Resource.LARGE, request.state.metrics)
    return reading


async def read_text(request: Request, picture: bytes, length: int | None) -> Text:
    """Read the text in the only picture of a request, with exactly `length` digits if given."""
    request.state.holding.take(Resource.LARGE)
    text: Text = await request.state.reader.read_text(picture, length)
    record_text(text, Resource.LARGE, request.state.metrics)
    return text


async def read_several(request: Request, pictures: Sequence[bytes]) -> list[Reading | Exception]:
    """Read the digit in each picture, or return why it cannot be read; raise Overloaded if there are no places."""
    holding: Holding = request.state.holding
    begin_by = time.monotonic() + SECONDS
    alone = asyncio.Lock()  # for large pictures

    async def outcome(picture: bytes, small: Image.Image | Exception | None) -> Reading | Exception:
        try:
            if isinstance(small, Exception):
                raise small
            async with nullcontext() if small else alone:
                if time.monotonic() > begin_by:
                    raise Busy
                return accept(request, await read_opened(request, picture, small))
        except Exception as error:  # one bad picture must not affect the others
            return problems.log_unforeseen(request, error)

    outcomes: list[Reading | Exception] = []
    size = holding.share(Resource.SMALL)
    for start in range(0, len(pictures), size):
        group = pictures[start : start + size]
        opened = [await small_or_error(request.state.reader, picture, begin_by) for picture in group]
        holding.take_share(Counter(queue_of(small) for small in opened if not isinstance(small, Exception)))
        outcomes += await asyncio.gather(*map(outcome, group, opened))
    return outcomes


async def small_or_error(reader: Reader, picture: bytes, begin_by: float) -> Image.Image | Exception | None:
    """Open a small picture; None for a large one. Return the error if it fails, Busy if the time is up."""
    try:
        if time.monotonic() > begin_by:
            raise Busy
        return await reader.open_in_turn(picture)
    except Exception as error:
        return error


async def read_all(request: Request, pictures: Sequence[bytes]) -> list[Reading]:
    """Read the digit in each picture; if one cannot be read, raise its error, which names the picture."""
    outcomes = await read_several(request, pictures)
    for number, outcome in enumerate(outcomes, 1):
        if isinstance(outcome, Exception):
            if len(pictures) > 1:
                outcome.args = (f"Picture {number} of {len(pictures)}: {outcome}",)
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Reading)]


def read_frames(request: Request, frames: Map) -> list[Reading]:
    """Read the digit in each frame, whatever its legibility."""
    request.state.holding.take_share({Resource.SMALL: len(frames)})
    readings: list[Reading] = request.state.reader.read_frames(frames)
    for reading in readings:
        record_reading(reading, Resource.SMALL, request.state.metrics)
        record_answer(reading, request.state.metrics)
    return readings


async def read_opened(request: Request, picture: bytes, small: Image.Image | None) -> Reading:
    """Read a picture that has been admitted."""
    reader: Reader = request.state.reader
    reading = await (reader.read_small(small) if small else reader.read_large(picture))
    record_reading(reading, queue_of(small), request.state.metrics)
    return reading


def accept(request: Request, reading: Reading) -> Reading:
    """Count and return a reading; raise NotADigit if its legibility is below the minimum."""
    record_answer(legible(reading, request.state.settings.min_legibility), request.state.metrics)
    return reading


def queue_of(small: Image.Image | None) -> Resource:
    """Return the queue of a picture."""
    return Resource.SMALL if small else Resource.LARGE
