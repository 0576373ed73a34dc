"""Picture bytes → a reading or a text; large pictures do not delay small ones.

Small pictures of simple formats are read in batches on the event loop's thread. There, larger JPEGs get a glance, since
libjpeg can decode them at a fraction of their size. Everything else is decoded in separate processes.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import perf_counter_ns, thread_time_ns
from typing import NamedTuple, TypeVar

from PIL import Image

from app.inference.batcher import Batcher
from app.inference.classifier import Classifier
from app.inference.decoders import Decoders
from app.inference.lines import LineNetwork
from app.inference.reading import Reading, decide, is_unsure, look, read_batch
from app.inference.search import CANDIDATES, INKED_CANDIDATES, STRIPS, Found, Search
from app.inference.stage import Stage, preceded
from app.inference.text import Text, checked, text_of
from app.inference.thresholds import SMALL_BYTES
from app.preprocess.candidates import GLANCE_SIDE, WHOLE, Candidate
from app.preprocess.decode import open_image
from app.preprocess.errors import BlankImage, NotAnImage
from app.preprocess.frame import FRAME_SIDE
from app.preprocess.maps import Map

START_OF_SCAN = b"\xff\xda"  # marker in a JPEG; 8 kB of scans may take seconds to decode
SLOW_NANOSECONDS = 5_000_000  # of processor time; after such work, the event loop runs other tasks before more of it
MAX_BATCH = 16  # MNIST images, or as many pixels
MAX_GLANCES = 4  # JPEGs per batch

Outcome = TypeVar("Outcome", Reading, Text)


class Simple(NamedTuple):
    """Pictures for the event loop: their formats, whose headers do not lie, and maximum bytes and longer side."""

    formats: tuple[str, ...]
    max_bytes: int
    max_side: int


SMALL = Simple(("PNG", "JPEG", "GIF", "BMP"), SMALL_BYTES, 128)  # 0.1 ms to read a frame, 50 ms for others at worst
QUICK = Simple(("JPEG",), 65_536, 4 * GLANCE_SIDE)  # 1 ms to read at a glance, 25 ms at worst


class Reader:
    """Reads pictures; used within one event loop.

    Parameters
    ----------
    classifier : Classifier
        The dense network, for single digits.
    lines : LineNetwork
        The line network, for texts.
    decoders : Decoders
        The pool that decodes what is neither small nor quick, and all pictures that get a close look.
    """

    def __init__(self, classifier: Classifier, lines: LineNetwork, decoders: Decoders) -> None:
        self.classifier = classifier
        self.lines = lines
        self.decoders = decoders
        self.batcher: Batcher[Image.Image, Reading] = Batcher(
            lambda images: read_batch(images, classifier),
            lambda image: image.width * image.height,
            MAX_BATCH * FRAME_SIDE**2,
        )
        self.glances: Batcher[Image.Image, Reading] = Batcher(
            lambda images: look(images, classifier, closely=False), lambda image: 1, MAX_GLANCES
        )
        self.parsing, self.judging = asyncio.Lock(), asyncio.Lock()

    def open_if_simple(self, data: bytes, simple: Simple = SMALL) -> Image.Image | None:
        """Open a picture that is simple enough according to its header; return None for others.

        Raises PreprocessError.
        """
        if len(data) > simple.max_bytes:
            return None
        try:
            image = open_image(data, self.decoders.max_pixels, simple.formats)
        except NotAnImage:
            return None  # another format, or not a picture
        is_simple = image.format in simple.formats and data.count(START_OF_SCAN) <= 1  # a JPEG may be an MPO
        return image if is_simple and max(image.size) <= simple.max_side else None

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Take a turn on the event loop: after slow work, other tasks run before the next turn."""
        async with self.parsing:
            begin = thread_time_ns()  # not the time that other processes take on a busy core
            try:
                yield
            finally:
                if thread_time_ns() - begin > SLOW_NANOSECONDS:
                    await asyncio.sleep(0)

    async def open_in_turn(self, data: bytes, simple: Simple = SMALL) -> Image.Image | None:
        """Open a picture if it is simple enough; its header may take 20 ms."""
        async with self.turn():
            return self.open_if_simple(data, simple)

    async def read_small(self, image: Image.Image) -> Reading:
        """Read a small picture, in a batch with others that arrive at the same time."""
        begin = perf_counter_ns()
        return waited(begin, await self.batcher(image))

    def read_frames(self, frames: Map) -> list[Reading]:
        """Read the digit in each of n frames (n, 28, 28), as they are; 256 take 12 ms."""
        begin = perf_counter_ns()
        readings = decide([[Candidate(frame, WHOLE, prior=0)] for frame in frames], self.classifier)
        stages = Stage("wait", begin, begin), Stage("inference", begin, perf_counter_ns())
        return [reading._replace(stages=stages, batch_size=len(frames)) for reading in readings]

    async def read_large(self, data: bytes, with_ink: bool = False) -> Reading:
        """Read a picture of any size, and return its ink if requested, once a decoder process is free.

        Without the ink, a quick JPEG needs no decoder process, unless it needs a close look.
        """
        begin = glance_begin = perf_counter_ns()
        search, is_close = INKED_CANDIDATES if with_ink else CANDIDATES, False
        if not with_ink and (image := await self.open_in_turn(data, QUICK)):
            outcome = await self.glance(image)
        else:
            found = await self.decoders(data, search, closely=False)
            outcome, glance_begin, is_close = self.judge(found), found.stages[0].begin, found.closely
        if is_unsure(outcome) and not is_close:
            outcome = self.judge(await self.look_closely(data, search, glance_begin))
        if isinstance(outcome, Exception):
            raise outcome
        return waited(begin, outcome)

    async def read_text(self, data: bytes, length: int | None = None) -> Text:
        """Read what is written in a picture, with exactly `length` digits if given, once a decoder process is free.

        If nothing is written there, the text is empty. Raises PreprocessError, or ImpossibleLength.
        """
        begin = perf_counter_ns()
        found = await self.decoders(data, STRIPS, closely=False)
        return waited(begin, checked(await self.judge_text(found, length), length))

    async def glance(self, image: Image.Image) -> Reading | BlankImage:
        """Read a quick JPEG at a glance, in a batch with others that arrive at the same time."""
        try:
            return await self.glances(image)
        except BlankImage as error:
            return error

    async def look_closely(self, data: bytes, search: Search, glance_begin: int) -> Found:
        """Search a picture closely; the glance before becomes a stage."""
        found = await self.decoders(data, search, closely=True)
        return found._replace(stages=preceded(found.stages, "glance", glance_begin))

    def judge(self, found: Found) -> Reading | BlankImage:
        """Choose among the candidates that a decoder process found in a picture."""
        if isinstance(found.results, BlankImage):
            return found.results
        begin = perf_counter_ns()
        (reading,) = decide([found.results], self.classifier)
        return timed(found, begin, reading)

    async def judge_text(self, found: Found, length: int | None) -> Text:
        """Read the strips that a decoder process found, in a thread, since there may be many.

        One picture after the other, since the widest strips take 30 MB.
        """
        async with self.judging:
            begin = perf_counter_ns()
            return timed(found, begin, await asyncio.to_thread(text_of, found.results, self.lines, length))

    def close(self) -> None:
        """Stop the decoders."""
        self.decoders.close()


def timed(found: Found, begin: int, outcome: Outcome) -> Outcome:
    """Add the stages of a decoder process to an outcome, and the inference stage, which started at `begin`."""
    return outcome._replace(stages=(*found.stages, Stage("inference", begin, perf_counter_ns())))


def waited(begin: int, outcome: Outcome) -> Outcome:
    """Add the time that an outcome waited since `begin`, as its first stage."""
    return outcome._replace(stages=preceded(outcome.stages, "wait", begin))
