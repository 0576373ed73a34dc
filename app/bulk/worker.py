"""What one worker does: the pictures of a part → its rows, read as the service reads them.

Small pictures are read together, in this process; all others, and all texts, are decoded in another one, within limits
of memory and time, and it is replaced where a picture brings it to its end.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

from PIL import Image

from app.bulk.destination import Destination
from app.bulk.rows import cells_of
from app.bulk.source import Part, Picture, Source
from app.inference.classifier import Classifier
from app.inference.decoders import Busy, Decoders
from app.inference.reader import Reader
from app.inference.reading import Reading, attempt
from app.inference.reading import read as read_together
from app.inference.text import Text
from app.settings import Settings
from app.web.legibility import check_legibility

BATCH = 256  # pictures that are read together: four times as many per second as one by one
TRIES = 20  # while the decoder's process does not come to work, each for some seconds

Outcome = TypeVar("Outcome")


class Progress(NamedTuple):
    """How many pictures were read, and the time that one worker took for them."""

    pictures: int
    seconds: float


class Worker:
    """Reads parts; made once in each process.

    Parameters
    ----------
    source : Source
        Where pictures come from.
    destination : Destination
        Where their rows go.
    settings : Settings
        The service's: its limits hold here too.
    """

    def __init__(self, source: Source, destination: Destination, settings: Settings) -> None:
        self.source = source
        self.destination = destination
        self.settings = settings
        self.classifier = Classifier(settings.model)
        if self.classifier.version != destination.model:
            raise ValueError(f"{settings.model} is another model on this node than where the job was started.")
        decoders = Decoders(1, settings.max_pixels, settings.decoder_memory_bytes, on_kill=lambda: None)
        self.reader = Reader(self.classifier, decoders, settings.max_pixels)

    async def read(self, part: Part) -> Progress:
        """Read a part and write its rows."""
        begin = perf_counter()
        rows = await self.rows(part)
        self.destination.write(rows)
        return Progress(len(rows), perf_counter() - begin)

    async def rows(self, part: Part) -> list[dict[str, Any]]:
        """The rows of a part."""
        rows = []
        for batch in batches(self.source.pictures(part), self.settings.max_held_bytes):
            outcomes = await (self.digits(batch) if self.destination.kind == "digit" else self.texts(batch))
            for picture, outcome in zip(batch, outcomes, strict=True):
                rows.append({"path": picture.path, "key": picture.key, **cells_of(outcome, self.classifier.version)})
        return rows

    async def digits(self, batch: list[Picture]) -> list[Reading | Exception]:
        """The digit on each picture, or why there is none."""
        opened = [attempt(self.opened, picture.data) for picture in batch]
        small = iter(read_together([each for each in opened if isinstance(each, Image.Image)], self.classifier))
        outcomes = [next(small) if isinstance(each, Image.Image) else await self.alone(each) for each in opened]
        return [attempt(self.checked, outcome) for outcome in outcomes]

    def opened(self, data: bytes | Exception) -> Image.Image | bytes:
        """A small picture, open; the bytes of any other."""
        if isinstance(data, Exception):
            raise data
        image = self.reader.open_if_small(data)
        return data if image is None else image

    async def alone(self, data: bytes | Exception) -> Reading | Exception:
        """The digit on a picture that is not small, or why there is none."""
        return data if isinstance(data, Exception) else await outcome_of(self.reader.read_large, data)

    def checked(self, outcome: Reading | Exception) -> Reading:
        """A reading that is as legible as the settings ask for."""
        if isinstance(outcome, Exception):
            raise outcome
        check_legibility(outcome, self.settings.min_legibility)
        return outcome

    async def texts(self, batch: list[Picture]) -> list[Text | Exception]:
        """The text on each picture, or why there is none."""
        return [
            data if isinstance(data, Exception) else await outcome_of(self.reader.read_text, data)
            for _, _, data in batch
        ]


async def outcome_of(read: Callable[[bytes], Awaitable[Outcome]], data: bytes) -> Outcome | Exception:
    """What is read off a picture, or why it is not; a machine that is busy is no reason to give up."""
    for _ in range(TRIES):
        try:
            return await read(data)
        except Busy as error:
            reason: Exception = error
        except Exception as error:
            return error
    return reason


def batches(pictures: Iterable[Picture], max_bytes: int) -> Iterator[list[Picture]]:
    """Pictures to be read together: at most BATCH, and no more once they have `max_bytes`."""
    batch: list[Picture] = []
    held = 0
    for picture in pictures:
        batch.append(picture)
        held += len(picture.data) if isinstance(picture.data, bytes) else 0
        if len(batch) == BATCH or held >= max_bytes:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
