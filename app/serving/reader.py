"""Picture bytes → a reading or a text; large pictures do not delay small ones.

Small pictures of simple formats are read on the event loop's thread, and so are larger
JPEGs, since libjpeg can decode them at a fraction of their size. Everything else is
read in separate processes.
"""

from functools import partial
from time import perf_counter_ns
from typing import Any, TypeVar

from PIL import Image

from app.digit.candidates import WHOLE
from app.digit.reading import SIDE, Reading, Steps, judged
from app.picture.decode import open_image
from app.picture.errors import NotAnImage
from app.picture.formats import SMALL_BYTES, has_pages
from app.picture.maps import Map
from app.serving.batcher import Batcher
from app.serving.decoder import Read, count_pages
from app.serving.decoders import Decoders
from app.serving.networks import Networks
from app.stage import Stage, Stopwatch
from app.text.text import Text

# Marker in a JPEG; 8 kB of scans may take seconds to decode.
START_OF_SCAN = b"\xff\xda"
# Pictures for the event loop: formats whose headers do not lie, and maximum bytes and
# longer side.
SIMPLE = ("PNG", "JPEG", "GIF", "BMP")
LIMITS, JPEG_LIMITS = (SMALL_BYTES, 128), (65_536, 2 * SIDE)
Outcome = TypeVar("Outcome", Reading, Text)


class Reader:
    """Reads pictures; used within one event loop.

    Parameters
    ----------
    networks : Networks
        The networks of this process.
    decoders : Decoders
        The pool that reads all other pictures, and all texts.
    """

    def __init__(self, networks: Networks, decoders: Decoders) -> None:
        self.networks = networks
        self.classifier, self.lines, self.opinion = (
            networks.digits,
            networks.lines,
            networks.opinion,
        )
        self.decoders = decoders
        self.batcher = Batcher[Reading | None](self.classifier)

    def open_if_simple(
        self, data: bytes, page: int | None = None
    ) -> Image.Image | None:
        """Open a picture that is simple enough according to its header; return None for
        others.

        Raises PreprocessError.
        """
        if len(data) > max(LIMITS + JPEG_LIMITS):
            return None
        try:
            image = open_image(data, self.decoders.max_pixels, SIMPLE, page)
        except NotAnImage:
            return None  # another format, or not a picture
        max_bytes, max_side = JPEG_LIMITS if image.format == "JPEG" else LIMITS
        is_small = len(data) <= max_bytes and max(image.size) <= max_side
        # No MPO.
        return (
            image
            if is_small and image.format in SIMPLE and data.count(START_OF_SCAN) <= 1
            else None
        )

    async def read_small(self, data: bytes, **options: Any) -> Reading | None:  # noqa: ANN401 - those of `read_digit`
        """Read a picture in this process, or return None if it is not simple enough."""
        watch = Stopwatch()
        return await self.batcher(self.steps(data, watch, **options), watch)

    def digit_model(self, has_opinion: bool) -> str:
        """Return the versions of the files by which digits are read, with a second
        opinion or without.
        """
        return (self.networks if has_opinion else self.networks.alone).digit_model

    def steps(
        self,
        data: bytes,
        watch: Stopwatch,
        with_ink: bool = False,
        page: int | None = None,
        has_opinion: bool = True,
    ) -> Steps[Reading | None]:
        """Read a picture in steps; return None if it is not simple enough. Its header
        may take 20 ms.
        """
        watch.end("wait")
        image = self.open_if_simple(data, page)
        opinion = self.opinion if has_opinion else None
        return (yield from judged(image, watch, with_ink, opinion)) if image else None

    def read_frames(self, frames: Map) -> list[Reading]:
        """Read the digit in each of n frames (n, 28, 28), as they are; 256 take 12 ms."""
        begin = perf_counter_ns()
        classes = self.classifier(frames)
        stages = (
            Stage("wait", begin, begin),
            Stage("inference", begin, perf_counter_ns(), len(frames)),
        )
        return [
            Reading(
                frame, WHOLE, probabilities, float(legibility), False, stages=stages
            )
            for frame, probabilities, legibility in zip(frames, *classes, strict=True)
        ]

    async def read_large(
        self, data: bytes, has_opinion: bool = True, **options: Any
    ) -> Reading:
        """Read a picture of any size, once a decoder process is free; the options are
        those of `read_digit`.
        """
        has_opinion = has_opinion and self.opinion is not None
        return await self.read_elsewhere(
            data, partial(Networks.read_digit, has_opinion=has_opinion, **options)
        )

    async def read_text(self, data: bytes, **options: Any) -> Text:  # noqa: ANN401 - those of `read_text`
        """Read what is written in a picture, once a decoder process is free."""
        return await self.read_elsewhere(data, partial(Networks.read_text, **options))

    async def page_count(self, data: bytes) -> int:
        """Count the pages of a file, in a decoder process if its format has pages."""
        return await self.decoders(data, count_pages) if has_pages(data) else 1

    async def read_elsewhere(self, data: bytes, read: Read[Outcome]) -> Outcome:
        """Read a picture in a decoder process; the time until it begins is its first
        stage.
        """
        begin = perf_counter_ns()
        outcome: Outcome = await self.decoders(data, read)
        return outcome._replace(
            stages=(Stage("wait", begin, outcome.stages[0].begin), *outcome.stages)
        )

    def close(self) -> None:
        """Stop the decoders."""
        self.decoders.close()
