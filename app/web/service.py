"""The running service: its parts, and how it reads the pictures of a request.

The small pictures of one request are read together, its large ones, its texts and the
pages of a document one after another, so that those of other requests are read, too.
"""

import asyncio
import math
from dataclasses import dataclass
from functools import partial
from time import perf_counter_ns
from typing import Annotated

from fastapi import Depends, Request

from app.corrections import Corrections
from app.digit.reading import DigitOptions, Reading
from app.form.form import Form
from app.form.reading import FormOptions
from app.form.sheet import FilledSheet
from app.metrics import Metrics
from app.picture.file_formats import has_pages
from app.picture.maps import Map
from app.serving.batcher import SLOW_NANOSECONDS
from app.serving.reader import Reader
from app.settings import Settings
from app.text.reading import TextOptions
from app.text.transcription import Transcription
from app.web.admission import Admission
from app.web.clients import require_open, unless_gone
from app.web.draining import Draining
from app.web.records import count
from app.web.several import SECONDS, Deadline


@dataclass(frozen=True)
class Service:
    """The parts of a running service."""

    settings: Settings
    reader: Reader
    metrics: Metrics
    draining: Draining
    admission: Admission
    corrections: Corrections | None
    seconds: float = SECONDS

    async def read_digit(
        self,
        request: Request,
        picture: bytes,
        options: DigitOptions,
        deadline: Deadline | None = None,
    ) -> Reading:
        """Read the digit in a picture, which may be one of several of a request."""
        reading = await self.read_uncounted(request, picture, options, deadline)
        count(self.metrics, [reading])
        return reading

    async def read_uncounted(
        self,
        request: Request,
        picture: bytes,
        options: DigitOptions,
        deadline: Deadline | None = None,
    ) -> Reading:
        """Read the digit in a picture, which the metrics do not count as answered."""
        deadline = deadline or Deadline(math.inf)
        async with self.admission.parsing:
            deadline.check()
            begin = perf_counter_ns()
            opened = self.reader.open(picture, options)
            if perf_counter_ns() - begin > SLOW_NANOSECONDS:
                await asyncio.sleep(0)  # some headers take 20 ms
        if opened.is_small:
            return await self.admission.small.read(request, opened.read)
        async with deadline.for_large():
            return await self.admission.large.read(request, opened.read)

    async def read_text(
        self, request: Request, picture: bytes, options: TextOptions
    ) -> Transcription:
        """Read the text in a picture."""
        read = partial(self.reader.read_text, picture, options)
        return await self.admission.large.read(request, read)

    async def read_page(
        self, request: Request, picture: bytes, options: FormOptions
    ) -> FilledSheet:
        """Read the next page of a filled sheet."""
        read = partial(self.reader.read_page, picture, options)
        return await self.admission.large.read(request, read)

    async def propose_form(
        self, request: Request, picture: bytes, page: int | None
    ) -> Form:
        """Propose a form for an empty sheet."""
        propose = partial(self.reader.propose_form, picture, page)
        return await self.admission.large.read(request, propose)

    async def page_count(self, request: Request, document: bytes) -> int:
        """Count the pages of a file, unless the client leaves."""
        lane = self.admission.large
        if lane.is_full and has_pages(document):
            await require_open(request)
        with lane.place():
            return await unless_gone(request, self.reader.page_count(document))

    def read_frames(self, frames: Map) -> list[Reading]:
        """Read the digit in each frame, whatever its legibility."""
        readings = self.reader.read_frames(frames)
        count(self.metrics, readings)
        return readings


async def service_of(request: Request) -> Service:
    """Return the service that handles a request."""
    service: Service = request.state.service
    return service


Serving = Annotated[Service, Depends(service_of)]
