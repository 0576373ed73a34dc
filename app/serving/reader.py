"""Picture bytes → a digit or a text; large pictures do not delay small ones.

Small pictures of simple formats are read on the event loop's thread, since handing one
to another thread and back takes longer than reading it. So are larger JPEGs, which
libjpeg can decode at a fraction of their size. Everything else is read in separate
processes.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from PIL import Image

from app.digit.candidates import WHOLE
from app.digit.reading import SIDE, DigitOptions, Reading, judged
from app.form.form import Form
from app.form.reading import FormOptions, page_named
from app.form.sheet import FilledSheet
from app.picture.errors import NotAnImage
from app.picture.file_formats import SMALL_BYTES, has_pages
from app.picture.maps import Map
from app.picture.opening import open_image
from app.serving.batcher import Batcher
from app.serving.decoder import (
    Limits,
    digit_within,
    form_within,
    pages_within,
    sheet_within,
    text_within,
)
from app.serving.decoders import Decoders
from app.serving.networks import Networks
from app.settings import Settings
from app.stopwatch import Stage, Stopwatch
from app.text.reading import TextOptions
from app.text.transcription import Transcription

# Marker in a JPEG; 8 kB of scans may take seconds to decode.
START_OF_SCAN = b"\xff\xda"
SIMPLE = ("PNG", "JPEG", "GIF", "BMP")  # formats whose headers do not lie
SMALL_SIDE = 128  # longer side of a small picture, in pixels
JPEG_BYTES = 65_536  # the same limits, for JPEGs
JPEG_SIDE = 2 * SIDE
Read = Reading | Transcription | FilledSheet
ReadPage = Callable[[FormOptions], Awaitable[FilledSheet]]  # of a sheet, the next one
# Told of each picture that was read: its reading or text, the stages of reading it, and
# whether it was small.
Record = Callable[[Read, Sequence[Stage], bool], object]


def unrecorded(read: Read, stages: Sequence[Stage], is_small: bool) -> None:
    """Record nothing."""


class Opened(NamedTuple):
    """A picture of a digit, whose header may have been read.

    Attributes
    ----------
    is_small : bool
        Whether it is read at once, on the event loop's thread.
    read : callable
        Reads the digit; raises PictureError, NotADigit, or Busy or Interrupted.
    """

    is_small: bool
    read: Callable[[], Awaitable[Reading]]


class Reader:
    """Reads pictures; used within one event loop.

    Parameters
    ----------
    networks : Networks
        The networks of this process.
    decoders : Decoders
        The pool that reads all other pictures, and all texts.
    min_legibility : float
        The lowest legibility of a digit.
    record : callable
        A Record.
    """

    def __init__(
        self,
        networks: Networks,
        decoders: Decoders,
        min_legibility: float = 0,
        record: Record = unrecorded,
    ) -> None:
        self.networks = networks
        self.decoders = decoders
        self.min_legibility = min_legibility
        self.record = record
        self.batcher = Batcher(networks.digits)

    @classmethod
    def of(
        cls,
        settings: Settings,
        networks: Networks,
        decoders: int,
        on_kill: Callable[[], object] = lambda: None,
        record: Record = unrecorded,
    ) -> "Reader":
        """Put a reader together with so many decoder processes, which are not started
        yet.

        `on_kill` is as of Decoders.
        """
        limits = Limits(
            max_pixels=settings.max_pixels, memory_bytes=settings.decoder_memory_bytes
        )
        pool = Decoders(
            networks.files, decoders, limits, settings.queue_seconds, on_kill
        )
        return cls(networks, pool, settings.min_legibility, record)

    async def read_text(self, data: bytes, options: TextOptions) -> Transcription:
        """Read what is written in a picture, in a decoder process.

        Raises PictureError, ImpossibleLength, or Busy or Interrupted.
        """
        watch = Stopwatch()
        text, stages = await self.decoders(data, partial(text_within, options=options))
        self.record(text, [*since(watch, stages)], False)
        return text

    async def read_page(self, data: bytes, options: FormOptions) -> FilledSheet:
        """Read the next page of a filled sheet, in a decoder process; see `read_sheet`.

        Raises PictureError, including NotThisForm, or Busy or Interrupted.
        """
        watch = Stopwatch()
        sheet, stages = await self.decoders(
            data, partial(sheet_within, options=options)
        )
        sheet = sheet._replace(model=self.networks.text_model)
        self.record(sheet, [*since(watch, stages)], False)
        return sheet

    async def propose_form(self, data: bytes, page: int | None) -> Form:
        """Propose a form for an empty sheet, in a decoder process.

        Raises PictureError, or Busy or Interrupted.
        """
        return await self.decoders(data, partial(form_within, page=page))

    async def page_count(self, data: bytes) -> int:
        """Count the pages of a file, in a decoder process if its format has pages."""
        return await self.decoders(data, pages_within) if has_pages(data) else 1

    def open(self, data: bytes, options: DigitOptions) -> Opened:
        """Prepare to read the digit in a picture; raise PictureError."""
        watch = Stopwatch()
        image = self.open_small(data, options.page)
        if image is None:
            return Opened(False, partial(self.read_large, data, options))
        watch.end("decode")
        return Opened(True, partial(self.read_small, image, options, watch))

    def open_small(self, data: bytes, page: int | None = None) -> Image.Image | None:
        """Open a picture that is small according to its header; return None for others.

        Raises PictureError.
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

    async def read_small(
        self, image: Image.Image, options: DigitOptions, watch: Stopwatch
    ) -> Reading:
        """Read the digit in a picture from `open_small`."""
        steps = judged(image, watch, self.networks.opinion, options)
        reading = await self.batcher(steps, watch)
        return self.recorded(reading, options, watch.stages, True)

    async def read_large(self, data: bytes, options: DigitOptions) -> Reading:
        """Read the digit in a picture of any size, in a decoder process."""
        has_opinion = options.has_opinion and self.networks.opinion is not None
        options = replace(options, has_opinion=has_opinion)
        watch = Stopwatch()
        reading, stages = await self.decoders(
            data, partial(digit_within, options=options)
        )
        return self.recorded(reading, options, since(watch, stages), False)

    def read_frames(self, frames: Map) -> list[Reading]:
        """Read the digit in each of n frames (n, 28, 28): 256 take 12 ms."""
        watch = Stopwatch()
        watch.end("wait")
        classes = self.networks.digits(frames)
        watch.end("inference", len(frames))
        alone = DigitOptions(has_opinion=False, must_be_legible=False)
        readings: list[Reading] = []
        for frame, shares, legible in zip(frames, *classes, strict=True):
            reading = Reading(frame, WHOLE, shares, float(legible), False)
            readings.append(self.recorded(reading, alone, watch.stages, True))
        return readings

    def recorded(
        self,
        reading: Reading,
        options: DigitOptions,
        stages: Sequence[Stage],
        is_small: bool,
    ) -> Reading:
        """Record a reading; return it with the versions of the files that read it.

        Raises NotADigit.
        """
        self.record(reading, stages, is_small)
        if options.must_be_legible:
            reading.require_legible(self.min_legibility)
        networks = self.networks
        model = networks.digit_model if options.has_opinion else networks.digits.version
        return reading._replace(model=model)


async def read_sheet(read_page: ReadPage, options: FormOptions) -> FilledSheet:
    """Read a filled sheet page by page, so that each has the limits of a picture."""
    for _ in options.pages:
        with page_named(options):
            sheet = await read_page(options)
        options = replace(options, before=sheet)
    return sheet


def since(watch: Stopwatch, stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages in a decoder process; their wait began with a watch here."""
    wait, *others = stages
    return [wait._replace(begin=watch.begin), *others]
