"""Picture bytes → a reading or a text; large pictures do not delay small ones.

Small pictures of simple formats are read on the event loop's thread, and so are larger
JPEGs, since libjpeg can decode them at a fraction of their size. Everything else is
read in separate processes.
"""

from dataclasses import replace
from functools import partial
from time import perf_counter_ns
from typing import TypeVar

from PIL import Image

from app.digit.candidates import WHOLE
from app.digit.reading import SIDE, DigitOptions, Reading, judged
from app.picture.decode import open_image
from app.picture.errors import NotAnImage
from app.picture.formats import SMALL_BYTES, has_pages
from app.picture.maps import Map
from app.serving.batcher import Batcher
from app.serving.decoder import Read, count_pages
from app.serving.decoders import Decoders
from app.serving.networks import Networks
from app.stage import Stage
from app.text.text import Text, TextOptions

Outcome = TypeVar("Outcome", Reading, Text)
# Marker in a JPEG; 8 kB of scans may take seconds to decode.
START_OF_SCAN = b"\xff\xda"
SIMPLE = ("PNG", "JPEG", "GIF", "BMP")  # formats whose headers do not lie
SMALL_SIDE = 128  # longer side of a small picture, in pixels
JPEG_BYTES = 65_536  # the same limits, for JPEGs
JPEG_SIDE = 2 * SIDE


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
        self.decoders = decoders
        self.batcher = Batcher(networks.digits)
        # Versions of the files by which digits are read, with and without an opinion.
        self.digit_models = {
            True: networks.digit_model,
            False: networks.alone.digit_model,
        }

    def open_small(self, data: bytes, page: int | None = None) -> Image.Image | None:
        """Open a picture that is small according to its header; return None for others.

        Raises PreprocessError.
        """
        if len(data) > JPEG_BYTES:
            return None
        max_pixels = self.decoders.limits.max_pixels
        try:
            image = open_image(data, max_pixels, SIMPLE, page)
        except NotAnImage:
            return None  # another format, or not a picture
        if image.format == "JPEG":
            is_small = max(image.size) <= JPEG_SIDE and data.count(START_OF_SCAN) <= 1
        else:
            is_small = max(image.size) <= SMALL_SIDE and len(data) <= SMALL_BYTES
        return image if is_small and image.format in SIMPLE else None  # no MPO

    def read_frames(self, frames: Map) -> list[Reading]:
        """Read the digit in each of n frames (n, 28, 28), as they are: 256 take 12 ms."""
        begin = perf_counter_ns()
        classes = self.networks.digits(frames)
        stages = (
            Stage("begin", begin),
            Stage("wait", begin),
            Stage("inference", perf_counter_ns(), len(frames)),
        )
        return [
            Reading(frame, WHOLE, shares, float(legibility), False, stages=stages)
            for frame, shares, legibility in zip(frames, *classes, strict=True)
        ]

    async def read_small(self, image: Image.Image, options: DigitOptions) -> Reading:
        """Read the digit in a picture from `open_small`, in this process."""
        stages = [Stage("begin", perf_counter_ns())]
        opinion = self.networks.opinion if options.has_opinion else None
        return await self.batcher(judged(image, stages, opinion, options), stages)

    async def read_large(self, data: bytes, options: DigitOptions) -> Reading:
        """Read the digit in a picture of any size, in a decoder process."""
        has_opinion = options.has_opinion and self.networks.opinion is not None
        options = replace(options, has_opinion=has_opinion)
        return await self.read_elsewhere(
            data, partial(Networks.read_digit, options=options)
        )

    async def read_text(self, data: bytes, options: TextOptions) -> Text:
        """Read what is written in a picture, in a decoder process."""
        return await self.read_elsewhere(
            data, partial(Networks.read_text, options=options)
        )

    async def page_count(self, data: bytes) -> int:
        """Count the pages of a file, in a decoder process if its format has pages."""
        return await self.decoders(data, count_pages) if has_pages(data) else 1

    async def read_elsewhere(self, data: bytes, read: Read[Outcome]) -> Outcome:
        """Read a picture in a decoder process; its wait begins now."""
        begin = Stage("begin", perf_counter_ns())
        outcome: Outcome = await self.decoders(data, read)
        return outcome._replace(stages=(begin, *outcome.stages[1:]))
