"""A worker: the pictures of a part → its rows, read as the service reads them.

Small pictures are read in batches, in this process. All others, and all texts, are
decoded in another process, which has limits on memory and time, and is replaced if it
is killed or crashes. Each page of a document is read as a picture.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple, TypeVar

from app.answers import conversion
from app.digit.reading import DigitOptions
from app.form.reading import FormOptions, sheets_of
from app.many.errors import CannotGoOn, Unanswered
from app.many.parquet import Destination, Pages, written_in
from app.many.pictures import Picture, State
from app.many.resume import Written, discard_outdated
from app.many.rows import Values, cells_of, unanswered
from app.many.sources import Part, Source
from app.serving.decoders import Busy
from app.serving.networks import Networks
from app.serving.reader import Reader, read_sheet
from app.settings import Settings
from app.text.reading import TURNS, TextOptions

BATCH = 256  # pictures that are held and read together
TRIES = 20  # attempts, of a few seconds each, while no decoder process is free
SECONDS = 10.0  # between writing the rows of a part so far; 60,000 rows take 0.2 s
LOG = logging.getLogger("digits")

Outcome = TypeVar("Outcome")
Finished = tuple[Picture, Values | Unanswered]


class Job(NamedTuple):
    """Where pictures come from, where their rows go, and the service's settings, whose
    limits apply here too.
    """

    source: Source
    destination: Destination
    settings: Settings

    def discard_outdated(self, parts: list[Part]) -> None:
        """Remove the rows that are out of date."""
        source = self.source
        states: dict[str, State] = {}
        for part in parts:
            states |= {source.file_of(path): state for path, state in part.items()}

        def state_of(path: str) -> State | None:
            return states.get(source.file_of(path))

        def is_asked(row: Written) -> bool:
            file = source.file_of(row.path)
            return file in states or source.place.includes(source.place.inside(file))

        discard_outdated(self.destination, state_of, is_asked)

    def parts_left(self, parts: list[Part]) -> list[Part]:
        """Return the parts without the pictures that already have a row."""
        done = self.destination.paths()
        left: list[Part] = []
        for part in parts:
            some = {path: state for path, state in part.items() if path not in done}
            left += [some] if some else []
        return left


class Worker:
    """Reads parts of a job; created once in each process.

    `seconds` is the time after which the rows of a part so far are written.
    """

    def __init__(self, job: Job, seconds: float = SECONDS) -> None:
        self.source, self.destination, self.settings = job
        self.seconds = seconds
        destination, settings = self.destination, self.settings
        self.is_of_digits = destination.kind == "digit"
        self.logged: set[type[Exception]] = set()
        networks = Networks.load(*settings.files, settings.second_opinion)
        model = networks.digit_model if self.is_of_digits else networks.text_model
        if model != destination.model:
            other = settings.model if self.is_of_digits else settings.pages_model
            files = [str(path) for path in (settings.lines_model, other) if path]
            raise CannotGoOn(
                f"On this node, {' or '.join(files)} differs from the model with which "
                "the job was started."
            )
        self.reader = Reader.of(settings, networks, decoders=1)
        # What earlier workers have read of documents that they have not finished.
        self.pages = destination.pages()

    async def read(self, part: Part) -> int:
        """Read a part and write its rows, also from time to time; return the number of
        pictures.

        A picture that could not be read because of a fault has no row, so that it is
        left to be read again.
        """
        destination = self.destination
        rows = destination.table_of(part)
        done, pages = destination.progress(written_in(rows))
        left = {path: state for path, state in part.items() if path not in done}
        for path in left:
            pages[path] |= self.pages.get(path, set())
        cells = rows.to_pylist()
        written = time.monotonic()
        try:
            async for picture, outcome in self.outcomes(left, pages):
                if not (isinstance(outcome, Unanswered) and outcome.is_fault):
                    model, least = destination.model, destination.least
                    cells.append(cells_of(picture, outcome, model, least))
                if cells and time.monotonic() - written >= self.seconds:
                    destination.write(part, cells)
                    written = time.monotonic()
        finally:
            # This process could not end while it has others.
            self.reader.decoders.close()
        if cells:
            destination.write(part, cells)
        return len(part)

    async def outcomes(self, left: Part, done: Pages) -> AsyncIterator[Finished]:
        """Read pictures, and yield each with its answer, or why there is none; of
        documents, all pages but those that are done.
        """
        pictures = self.source.pictures(left) if left else []
        for batch in batches(pictures, self.settings.max_held_bytes):
            pages: list[Picture] = []
            for picture in batch:
                for page in await self.pages_of(picture):
                    if page.page not in done[picture.path]:
                        pages.append(page)
            read = partial(self.answer_to, decoding=asyncio.Lock())
            reading = [self.outcome_of(read, page) for page in pages]
            tasks = map(asyncio.ensure_future, reading)
            for page, outcome in zip(pages, [*tasks], strict=True):
                yield page, await outcome

    async def pages_of(self, picture: Picture) -> list[Picture]:
        """Return the pages or sheets of a document, or else the picture; with the error
        if its pages cannot be counted.
        """
        count = await self.outcome_of(
            lambda data, _page: self.reader.page_count(data), picture
        )
        if isinstance(count, Unanswered):
            return [picture._replace(data=count)]
        return picture.split(count, self.destination.sheets.pages)

    async def answer_to(
        self, data: bytes, page: int | None, decoding: asyncio.Lock
    ) -> Values:
        """Read what is in a picture, page or sheet; only small pictures of digits need
        not wait for the decoder.
        """
        if self.is_of_digits:
            opened = self.reader.open(data, DigitOptions(page))
            async with nullcontext() if opened.is_small else decoding:
                reading = await opened.read()
            # The response model would take a tenth of the time per picture.
            return {**conversion.values_of(reading), "model": reading.model}
        async with decoding:
            if self.destination.kind == "sheet":
                return await self.sheet_in(data, page)
            return await self.text_in(data, page)

    async def text_in(self, data: bytes, page: int | None) -> Values:
        """Read the text in a picture or page."""
        field = self.destination.field
        options = TextOptions(field, page, TURNS[self.destination.rotate])
        text = await self.reader.read_text(data, options)
        answer = conversion.text_of(
            text, with_frames=False, characters=field.characters
        )
        return answer.model_dump()

    async def sheet_in(self, data: bytes, page: int | None) -> Values:
        """Read the fields of the sheet that begins on a page."""
        forms = self.destination.sheets.forms
        (pages,) = sheets_of([page or 1], forms)
        read = partial(self.reader.read_page, data)
        sheet = await read_sheet(read, FormOptions(forms, pages))
        return conversion.sheet_of(sheet).model_dump()

    async def outcome_of(
        self, read: Callable[[bytes, int | None], Awaitable[Outcome]], picture: Picture
    ) -> Outcome | Unanswered:
        """Read a picture or page, or return why not; try again while decoders are busy.

        An unforeseen error is logged if it is the first of its type.
        """
        reason: Exception = Busy()
        for _ in range(TRIES):
            try:
                return await read(picture.read(), picture.page)
            except Exception as error:
                reason = error
            if not isinstance(reason, Busy):
                break
        found = unanswered(reason)
        if found.problem == "internal-error" and type(reason) not in self.logged:
            self.logged.add(type(reason))
            LOG.error("%s could not be read.", picture.path, exc_info=reason)
        return found


def batches(pictures: Iterable[Picture], max_bytes: int) -> Iterator[list[Picture]]:
    """Group pictures into batches of BATCH, or of fewer from `max_bytes` bytes on."""
    batch: list[Picture] = []
    held = 0
    for picture in pictures:
        batch.append(picture)
        held += len(picture.data) if isinstance(picture.data, bytes) else 0
        if len(batch) == BATCH or held >= max_bytes:
            yield batch
            batch = []
            held = 0
    if batch:
        yield batch
