"""Picture bytes → reading, with small and large pictures out of each other's way.

Small pictures are read in batches, in the event loop's own thread. All others are read in a thread, from their first
byte to their probabilities.
"""

import asyncio
import threading
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from time import perf_counter_ns
from typing import Any

from PIL import Image

from app.inference.batcher import Batcher
from app.inference.classifier import Classifier
from app.inference.reading import Reading, Stage, read
from app.preprocess.decode import open_image

SMALL_BYTES = 8192  # of a small picture's file, whose header is read in the event loop
SMALL_PIXELS = 128 * 128  # of a small picture, which is read there in about a tenth of a millisecond
PHOTO_PIXELS = 1_000_000  # larger pictures take up to 200 MB, and are read one at a time
MAX_BATCH = 16


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


class Reader:
    """Reads pictures; used within one event loop.

    Parameters
    ----------
    classifier : Classifier
        The network.
    max_pixels : int
        Most pixels of a picture, see `open_image`.
    threads : int
        Pictures that are read at the same time, besides the small ones.
    """

    def __init__(self, classifier: Classifier, max_pixels: int, threads: int) -> None:
        self.classifier = classifier
        self.max_pixels = max_pixels
        self.batcher: Batcher[Image.Image, Reading] = Batcher(lambda images: read(images, classifier), MAX_BATCH)
        self.pool = ThreadPoolExecutor(threads, "large")  # whose threads do not wait for a busy event loop
        self.photo = threading.Lock()

    def open_if_small(self, data: bytes) -> Image.Image | None:
        """A picture whose header says that it is small; None for all others. Raises PreprocessError."""
        image = open_image(data, self.max_pixels) if len(data) <= SMALL_BYTES else None
        return image if image and image.width * image.height <= SMALL_PIXELS else None

    async def read_small(self, image: Image.Image) -> Reading:
        """Read a small picture, together with those that arrive at the same time."""
        begin = perf_counter_ns()
        return waited(begin, await self.batcher(image))

    async def read_large(self, data: bytes, abandonment: Awaitable[None]) -> Reading:
        """Read any other picture, when it is its turn; Abandoned where nobody waits for the answer any more by then."""
        begin = perf_counter_ns()
        reading = asyncio.get_running_loop().run_in_executor(self.pool, self.read_one, data)
        abandoned = asyncio.ensure_future(abandonment)
        both: set[asyncio.Future[Any]] = {reading, abandoned}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                raise Abandoned
            return waited(begin, reading.result())
        finally:
            reading.cancel()
            abandoned.cancel()

    def close(self) -> None:
        """Begin no more work."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def read_one(self, data: bytes) -> Reading:
        """Read one picture; blocks."""
        image = open_image(data, self.max_pixels)
        with self.photo if image.width * image.height > PHOTO_PIXELS else nullcontext():
            (reading,) = read([image], self.classifier)
        if isinstance(reading, Exception):
            raise reading
        return reading


def waited(begin: int, reading: Reading) -> Reading:
    """A reading with the time before the work on it as its first stage."""
    return reading._replace(stages=(Stage("wait", begin, reading.stages[0].begin), *reading.stages))
