"""A worker: the pictures of a part → its rows, read as the service reads them.

Small pictures are read in batches, in this process. All others, and all texts, are
decoded in another process, which has limits on memory and time, and is replaced if it
is killed or crashes. Each page of a document is read as a picture.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from app.digit.reading import DigitOptions, Reading
from app.many.destination import Destination, Pages, progress_of
from app.many.errors import BulkError
from app.many.rows import Row, cells_of, is_fault
from app.many.source import Entry, Part, Source
from app.serving.decoders import Busy, TryAgain
from app.serving.networks import Networks
from app.serving.reader import Reader
from app.settings import Settings
from app.text.reading import TURNS, TextOptions
from app.text.transcription import Transcription

BATCH = 256  # pictures that are held and read together
TRIES = 20  # attempts, of a few seconds each, while no decoder process is free
SECONDS = 10.0  # between writing the rows of a part so far; 60,000 rows take 0.2 s
LOG = logging.getLogger("digits")

Outcome = TypeVar("Outcome")
Finished = tuple[Entry, Reading | Transcription | Exception]


class Worker:
    """Reads parts; created once in each process.

    Parameters
    ----------
    source : Source
        Where pictures come from.
    destination : Destination
        Where their rows go.
    settings : Settings
        The service's settings, whose limits apply here too.
    seconds : float
        Time after which the rows of a part so far are written, in seconds.
    """

    def __init__(
        self,
        source: Source,
        destination: Destination,
        settings: Settings,
        seconds: float = SECONDS,
    ) -> None:
        self.source = source
        self.destination = destination
        self.settings = settings
        self.seconds = seconds
        self.is_of_digits = destination.kind == "digit"
        self.logged: set[type[Exception]] = set()
        networks = Networks.load(*settings.files, settings.second_opinion)
        model = networks.digit_model if self.is_of_digits else networks.text_model
        if model != destination.model:
            other = settings.model if self.is_of_digits else settings.pages_model
            files = [str(path) for path in (settings.lines_model, other) if path]
            raise BulkError(
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
        rows = destination.rows_of(part)
        done, pages = progress_of(
            (row["path"], row["page"], row["pages"]) for row in rows
        )
        left = {path: state for path, state in part.items() if path not in done}
        for path in left:
            pages[path] |= self.pages.get(path, set())
        written = time.monotonic()
        try:
            async for picture, outcome in self.outcomes(left, pages):
                if isinstance(outcome, Exception) and is_fault(outcome):
                    self.log(picture.path, outcome)
                else:
                    rows.append(self.row_of(picture, outcome))
                if rows and time.monotonic() - written >= self.seconds:
                    destination.write(part, rows)
                    written = time.monotonic()
        finally:
            # This process could not end while it has others.
            self.reader.decoders.close()
        if rows:
            destination.write(part, rows)
        return len(part)

    def row_of(
        self, picture: Entry, outcome: Reading | Transcription | Exception
    ) -> Row:
        """Return the row of a picture or page."""
        destination = self.destination
        cells = cells_of(outcome, destination.model, destination.field.characters)
        # An answer, too, has a size: that of a picture in it.
        return cells | {
            "path": picture.path,
            "key": picture.key,
            "page": picture.page,
            "pages": picture.pages,
            **picture.state._asdict(),
        }

    async def outcomes(self, left: Part, done: Pages) -> AsyncIterator[Finished]:
        """Read pictures, and yield each with its reading or text, or the error; of
        documents, all pages but those that are done.
        """
        pictures = self.source.pictures(left) if left else []
        for batch in batches(pictures, self.settings.max_held_bytes):
            pages: list[Entry] = []
            for picture in batch:
                for page in await self.pages_of(picture):
                    if page.page not in done[picture.path]:
                        pages.append(page)
            small = [outcome_of(self.read_small, page) for page in pages]
            for page, outcome in zip(pages, await asyncio.gather(*small), strict=True):
                if outcome is None:
                    yield page, await outcome_of(self.read_large, page)
                else:
                    yield page, outcome

    async def pages_of(self, picture: Entry) -> list[Entry]:
        """Return the pages of a document, or else the picture; with the error if its
        pages cannot be counted.
        """
        count = await outcome_of(
            lambda data, _page: self.reader.page_count(data), picture
        )
        if isinstance(count, Exception):
            return [picture._replace(data=count)]
        if count == 1:
            return [picture]
        return [
            picture._replace(page=page, pages=count) for page in range(1, count + 1)
        ]

    async def read_small(self, data: bytes, page: int | None) -> Reading | None:
        """Read the digit in a small picture; return None for others, and for texts."""
        if not self.is_of_digits:
            return None
        opened = self.reader.open(data, DigitOptions(page))
        if not opened.is_small:
            return None
        reading = await opened.read()
        return reading.require_legible(self.settings.min_legibility)

    async def read_large(
        self, data: bytes, page: int | None
    ) -> Reading | Transcription:
        """Read the digit in a picture of any size, or the text."""
        if self.is_of_digits:
            return await self.reader.read_digit(data, DigitOptions(page))
        turns = TURNS[self.destination.rotate]
        options = TextOptions(self.destination.field, page, turns)
        return await self.reader.read_text(data, options)

    def log(self, path: str, error: Exception) -> None:
        """Log an unforeseen error if it is the first of its type."""
        if not isinstance(error, TryAgain) and type(error) not in self.logged:
            self.logged.add(type(error))
            LOG.error("%s could not be read.", path, exc_info=error)


async def outcome_of(
    read: Callable[[bytes, int | None], Awaitable[Outcome]], picture: Entry
) -> Outcome | Exception:
    """Read a picture or page, or return why not; try again while decoders are busy."""
    data = picture.data
    if isinstance(data, Exception):
        return data
    for _ in range(TRIES):
        try:
            return await read(data, picture.page)
        except Exception as error:
            if not isinstance(error, Busy):
                return error
            reason = error
    return reason


def batches(pictures: Iterable[Entry], max_bytes: int) -> Iterator[list[Entry]]:
    """Group pictures into batches of BATCH, or of fewer from `max_bytes` bytes on."""
    batch: list[Entry] = []
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
