"""A worker: the pictures of a part → its rows, read as the service reads them.

Small pictures are read in batches, in this process. All others, and all texts, are decoded in another process, which
has limits on memory and time, and is replaced if it is killed or crashes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from app.bulk.destination import Destination
from app.bulk.rows import cells_of
from app.bulk.source import Entry, Part, Source
from app.inference.decoders import Busy, Decoders
from app.inference.networks import Networks
from app.inference.reader import Reader
from app.inference.reading import Reading
from app.inference.text import Text
from app.preprocess.errors import attempt
from app.settings import Settings

BATCH = 256  # pictures that are held and read together
TRIES = 20  # attempts, of a few seconds each, while no decoder process is free

Outcome = TypeVar("Outcome")


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
    """

    def __init__(self, source: Source, destination: Destination, settings: Settings) -> None:
        self.source = source
        self.destination = destination
        self.settings = settings
        networks = Networks.load(settings.model, settings.lines_model)
        model = networks.digit_model if self.is_of_digits else networks.lines.version
        if model != destination.model:
            files = f"{settings.model} or {settings.lines_model}" if self.is_of_digits else settings.lines_model
            raise ValueError(f"On this node, {files} differs from the model with which the job was started.")
        limits = settings.max_pixels, settings.decoder_memory_bytes, settings.queue_seconds
        decoders = Decoders(networks.files, 1, *limits, on_kill=lambda: None)
        self.reader = Reader(networks, decoders)

    @property
    def is_of_digits(self) -> bool:
        """Whether the results are digits, not texts."""
        return self.destination.kind == "digit"

    async def read(self, part: Part) -> int:
        """Read a part and write its rows; return the number of pictures."""
        try:
            rows = await self.rows(part)
        finally:
            self.reader.close()  # this process could not end while it has others
        self.destination.write(rows)
        return len(rows)

    async def rows(self, part: Part) -> list[dict[str, Any]]:
        """Read a part, and return its rows."""
        rows = []
        for batch in batches(self.source.pictures(part), self.settings.max_held_bytes):
            outcomes = await (self.digits(batch) if self.is_of_digits else self.texts(batch))
            for picture, outcome in zip(batch, outcomes, strict=True):
                cells = cells_of(outcome, self.destination.model, self.destination.characters)
                rows.append({"path": picture.path, "key": picture.key, **cells})
        return rows

    async def digits(self, batch: list[Entry]) -> list[Reading | Exception]:
        """Read the digit in each picture, or return the error."""
        small = await asyncio.gather(*(outcome_of(self.reader.read_small, picture.data) for picture in batch))
        outcomes: list[Reading | Exception] = [
            outcome if outcome is not None else await outcome_of(self.reader.read_large, picture.data)
            for picture, outcome in zip(batch, small, strict=True)
        ]
        least = self.settings.min_legibility
        return [attempt(lambda reading: reading.require_legible(least), outcome) for outcome in outcomes]

    async def texts(self, batch: list[Entry]) -> list[Text | Exception]:
        """Read the text in each picture, or return the error."""
        read = partial(self.reader.read_text, characters=self.destination.characters)
        return [await outcome_of(read, picture.data) for picture in batch]


async def outcome_of(read: Callable[[bytes], Awaitable[Outcome]], data: bytes | Exception) -> Outcome | Exception:
    """Read a picture, or return the error, also that of loading it; if the decoders are busy, try again."""
    if isinstance(data, Exception):
        return data
    for _ in range(TRIES):
        try:
            return await read(data)
        except Busy as error:
            reason: Exception = error
        except Exception as error:
            return error
    return reason


def batches(pictures: Iterable[Entry], max_bytes: int) -> Iterator[list[Entry]]:
    """Group pictures into batches; one ends when it has BATCH pictures, or at least `max_bytes` bytes."""
    batch: list[Entry] = []
    held = 0
    for picture in pictures:
        batch.append(picture)
        held += len(picture.data) if isinstance(picture.data, bytes) else 0
        if len(batch) == BATCH or held >= max_bytes:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
