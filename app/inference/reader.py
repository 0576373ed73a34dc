"""Picture bytes → reading, with small and large pictures out of each other's way.

Small pictures of simple formats are decoded in batches, in the event loop's own thread; all others in other processes.
"""

import asyncio
from contextlib import nullcontext, suppress
from time import perf_counter_ns
from typing import TypeVar

from PIL import Image

from app.inference.batcher import Batcher
from app.inference.classifier import Classifier
from app.inference.decoder import CANDIDATES, INKED_CANDIDATES, LAYOUTS, Found
from app.inference.decoders import Decoders
from app.inference.reading import Reading, decide, is_unsure, read
from app.inference.stage import Stage
from app.inference.text import Text
from app.inference.text_reading import TOO_MUCH, checked, text_of_found
from app.inference.thresholds import SMALL_BYTES
from app.preprocess.candidates import Candidate
from app.preprocess.decode import open_image
from app.preprocess.errors import BlankImage, NotAnImage
from app.preprocess.frame import FRAME_SIDE
from app.preprocess.maps import Box, Map

SMALL_PIXELS = 128 * 128  # of one that the event loop reads itself: a frame in 0.1 ms, at worst one in some 20 ms
SIMPLE_FORMATS = ("PNG", "JPEG", "GIF", "BMP")  # whose headers tell the size that is decoded
MAX_BATCH = 16
WHOLE = Box(0, FRAME_SIDE, 0, FRAME_SIDE)  # all of a frame

Outcome = TypeVar("Outcome", Reading, Text)


class Reader:
    """Reads pictures; used within one event loop.

    Parameters
    ----------
    classifier : Classifier
        The network.
    decoders : Decoders
        For all but small pictures.
    max_pixels : int
        Most pixels of a picture, see `open_image`.
    """

    def __init__(self, classifier: Classifier, decoders: Decoders, max_pixels: int) -> None:
        self.classifier = classifier
        self.decoders = decoders
        self.max_pixels = max_pixels
        self.batcher: Batcher[Image.Image, Reading] = Batcher(lambda images: read(images, classifier), MAX_BATCH)
        self.inked_batcher: Batcher[Image.Image, Reading] = Batcher(
            lambda images: read(images, classifier, with_ink=True), MAX_BATCH
        )
        self.opening = asyncio.Lock()

    def open_if_small(self, data: bytes) -> Image.Image | None:
        """A picture that is small and simple by its header; None for all others. Raises PreprocessError."""
        if len(data) > SMALL_BYTES:
            return None
        try:
            image = open_image(data, self.max_pixels, SIMPLE_FORMATS)
        except NotAnImage:
            return None  # of another format, or of none
        is_simple = image.format in SIMPLE_FORMATS and "progressive" not in image.info  # a JPEG may turn out an MPO
        return image if is_simple and image.width * image.height <= SMALL_PIXELS else None

    async def open_in_turn(self, data: bytes) -> Image.Image | None:
        """Open one picture of a request with many: a header may take 20 ms, so the event loop goes on after each."""
        async with self.opening:
            await asyncio.sleep(0)
            return self.open_if_small(data)

    async def read_small(self, image: Image.Image, with_ink: bool = False) -> Reading:
        """Read a small picture, together with those that arrive at the same time."""
        begin = perf_counter_ns()
        batcher = self.inked_batcher if with_ink else self.batcher
        return waited(begin, await batcher(image))

    def read_frames(self, frames: Map) -> list[Reading]:
        """Read the digit on frames, (n, 28, 28), as they are: 256 take 5 ms."""
        begin = perf_counter_ns()
        readings = decide([[Candidate(frame, WHOLE, prior=0)] for frame in frames], self.classifier)
        stages = Stage("wait", begin, begin), Stage("inference", begin, perf_counter_ns())
        return [reading._replace(stages=stages, batch_size=len(frames)) for reading in readings]

    async def read_large(self, data: bytes, with_ink: bool = False) -> Reading:
        """Read any other picture, when it is its turn."""
        begin = perf_counter_ns()
        search = INKED_CANDIDATES if with_ink else CANDIDATES
        found = await self.decoders(data, search, closely=False)
        outcome = self.judge(found)
        if is_unsure(outcome) and not found.closely:
            outcome = self.judge(await self.decoders(data, search, closely=True))
        if isinstance(outcome, Exception):
            raise outcome
        return waited(begin, outcome)

    async def read_text(self, data: bytes, length: int | None = None) -> Text:
        """Read all digits on a picture, or just so many, when it is its turn; an empty text where there are none.

        Raises PreprocessError, or ImpossibleLength.
        """
        begin = perf_counter_ns()
        found = await self.decoders(data, LAYOUTS, closely=False)
        text = await self.judge_text(found, length)
        if not text.is_sure and not found.closely:
            with suppress(*TOO_MUCH) if text.lines else nullcontext():
                text = await self.judge_text(await self.decoders(data, LAYOUTS, closely=True), length)
        return waited(begin, checked(text, length))

    def judge(self, found: Found) -> Reading | BlankImage:
        """Read what another process has found on a picture."""
        if isinstance(found.results, BlankImage):
            return found.results
        begin = perf_counter_ns()
        (reading,) = decide([found.results], self.classifier)
        return timed(found, begin, reading)

    async def judge_text(self, found: Found, length: int | None) -> Text:
        """Read the layouts that another process has found on a picture; in a thread, since there may be many."""
        begin = perf_counter_ns()
        return timed(found, begin, await asyncio.to_thread(text_of_found, found, self.classifier, length))

    def close(self) -> None:
        """Stop the decoders."""
        self.decoders.close()


def timed(found: Found, begin: int, outcome: Outcome) -> Outcome:
    """An outcome with the stages before it, and its own, which has begun at a time."""
    return outcome._replace(stages=(*found.stages, Stage("inference", begin, perf_counter_ns())))


def waited(begin: int, outcome: Outcome) -> Outcome:
    """An outcome with the time before the work on it as its first stage."""
    return outcome._replace(stages=(Stage("wait", begin, outcome.stages[0].begin), *outcome.stages))
