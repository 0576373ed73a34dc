"""The work of a decoder process: picture bytes → a reading or a text, within limits."""

import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from multiprocessing.connection import Connection
from typing import TypeVar

from pebble import CONSTS
from PIL import Image

from app import malloc
from app.digit.reading import DigitOptions, Reading, digit_in, read_digit
from app.form.form import Form, InvalidForm
from app.form.proposal import proposed
from app.form.reading import FormOptions, sheet_in
from app.form.sheet import FilledSheet
from app.picture.errors import CorruptImage, PictureError, TooComplex
from app.picture.file_formats import MAX_PIXELS
from app.picture.opening import open_image, page_count
from app.serving.networks import Files, Networks
from app.stopwatch import Stage, Stopwatch
from app.text.reading import ImpossibleLength, TextOptions, decoded, read_text
from app.text.transcription import Transcription

SHARED_PIXELS = 2_000_000  # maximum for decoding a picture in parallel with others
# A process that is killed while it takes a picture never returns the lock: the others
# then end.
LOCK_SECONDS = 5.0
# CPU time to read strips, by their width: more than twice of what a small server takes.
SECONDS_PER_PIXEL = 1e-4
SECONDS_PER_FIELD = 0.2  # the same for a field of a form
SECONDS_PER_FORM = 1.0  # and for a form that a sheet may be of
HAS_LIMITS = sys.platform == "linux"
Outcome = TypeVar("Outcome")
Work = Callable[["Limits", bytes], Outcome]  # on the bytes of a file

networks: Networks  # of this process


class NeedsExclusiveDecoder(Exception):
    """The picture may take much memory, and has to be read while no other is."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits for one picture: by default, for one that is read exclusively.

    Attributes
    ----------
    memory_bytes : int
        Memory.
    processor_seconds : float
        CPU time, until the lines of a page are found: to read them, it gets more by
        their width.
    seconds : float
        Wall-clock time.
    width : float
        Of the strips of a page, in pixels.
    fields : float
        Of a form's sheet.
    max_pixels : int
        Maximum number of pixels, as for `open_image`.
    is_exclusive : bool
        Whether no other is read meanwhile.
    """

    memory_bytes: int
    processor_seconds: float = 2.0
    seconds: float = 20.0
    width: float = math.inf
    fields: float = math.inf
    max_pixels: int = MAX_PIXELS
    is_exclusive: bool = True

    def open(self, data: bytes, page: int | None) -> Image.Image:
        """Open a picture; raise NeedsExclusiveDecoder if decoding it may take much
        memory.
        """
        image = open_image(data, self.max_pixels, page=page)
        # Such a JPEG is reduced as it is decoded.
        is_reduced = image.format == "JPEG" and "progressive" not in image.info
        is_small = is_reduced or image.width * image.height <= SHARED_PIXELS
        if not (self.is_exclusive or is_small):
            raise NeedsExclusiveDecoder
        return image

    def extend(self, width: float) -> None:
        """Give a page time for strips of this width; or raise NeedsExclusiveDecoder."""
        if width > self.width:
            raise NeedsExclusiveDecoder
        limit_processor_time(self.processor_seconds + SECONDS_PER_PIXEL * width)

    def for_forms(self, count: int) -> None:
        """Give a page time to be found on one of so many forms."""
        limit_processor_time(self.processor_seconds + SECONDS_PER_FORM * count)

    def for_fields(self, count: int) -> None:
        """Give a sheet time for so many fields; or raise NeedsExclusiveDecoder."""
        if count > self.fields:
            raise NeedsExclusiveDecoder
        limit_processor_time(self.processor_seconds + SECONDS_PER_FIELD * count)


# The memory suffices for a photo of a page. Much writing would keep others waiting.
SHARED = Limits(
    memory_bytes=80_000_000,
    processor_seconds=1.0,
    seconds=5.0,
    width=10_000,
    fields=50,
    is_exclusive=False,
)


def prepare_process(files: Files, ready: Connection) -> None:
    """Say that the process runs, unless nobody waits for it; load the networks and warm
    them up before the first picture.

    SIGTERM ends this process at once, and its standard error is silent.
    """
    # Pebble's handler would wait for C code to return.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff writes to it directly
    # Blocks are kept until the picture is read, or the system has to clear memory for
    # each large array: a third of the time of a page.
    malloc.tune(malloc.LARGEST_BLOCK_BYTES)
    CONSTS.channel_lock_timeout = LOCK_SECONDS
    with suppress(OSError):
        ready.send(None)
    global networks
    networks = Networks.load(*files)
    digits, lines, pages, opinion = networks
    warm_up(partial(read_digit, classifier=digits, opinion=opinion))
    warm_up(partial(read_text, network=lines, pages=pages), kinds=("PNG",))


def warm_up(
    read: Callable[[bytes], object], kinds: Sequence[str] = ("PNG", "JPEG")
) -> None:
    """Read a stroke: some memory is allocated only once, and some modules are loaded on
    first use.
    """
    picture = Image.new("L", (320, 240), 255)
    picture.paste(0, (150, 40, 170, 200))
    for kind in kinds:
        file = BytesIO()
        picture.save(file, kind)
        read(file.getvalue())


def digit_within(
    limits: Limits, data: bytes, options: DigitOptions
) -> tuple[Reading, list[Stage]]:
    """Read the digit in a picture in this process; return the timed stages, too."""
    watch = Stopwatch()
    image = limits.open(data, options.page)
    reading = digit_in(image, networks.digits, networks.opinion, options, watch)
    return reading, watch.stages


def text_within(
    limits: Limits, data: bytes, options: TextOptions
) -> tuple[Transcription, list[Stage]]:
    """Read what is written in a picture; else as `digit_within`."""
    watch = Stopwatch()
    watch.end("wait")
    open_picture = partial(limits.open, data, options.page)
    text = networks.read_text(open_picture, options, watch, limits.extend)
    return text, watch.stages


def sheet_within(
    limits: Limits, data: bytes, options: FormOptions
) -> tuple[FilledSheet, list[Stage]]:
    """Read the next page of a filled sheet; else as `digit_within`."""
    watch = Stopwatch()
    watch.end("wait")
    limits.for_forms(len(options.candidates))
    picture = decoded(limits.open(data, options.page))
    watch.end("decode")
    assert networks.pages is not None  # or the service refuses forms
    sheet = sheet_in(
        picture, networks.lines, networks.pages, options, limits.for_fields
    )
    watch.end("inference")
    return sheet, watch.stages


def form_within(limits: Limits, data: bytes, page: int | None) -> Form:
    """Propose a form for an empty sheet in this process."""
    assert networks.pages is not None  # or the service refuses forms
    return proposed(decoded(limits.open(data, page)), networks.pages)


def pages_within(_: Limits, data: bytes) -> int:
    """Count the pages of a file in this process."""
    return page_count(data)


def run_within(limits: Limits, data: bytes, work: Work[Outcome]) -> Outcome:
    """Work on a picture in this process, a decoder.

    Raises NeedsExclusiveDecoder if no other may be read meanwhile.
    """
    try:
        with limited(limits, limits.memory_bytes - len(data)):
            return work(limits, data)
    except MemoryError:
        kind: type[Exception] = (
            TooComplex if limits.is_exclusive else NeedsExclusiveDecoder
        )
        megabytes = limits.memory_bytes // 1_000_000
        message = (
            f"The picture takes more than {megabytes} MB to decode: send a smaller "
            "one, or a JPEG."
        )
    except (
        PictureError,
        ImpossibleLength,
        InvalidForm,
        NeedsExclusiveDecoder,
    ) as error:
        kind = type(error)
        message = str(error)
        if kind is CorruptImage and not limits.is_exclusive:
            # Libraries may call a picture damaged if they lack memory.
            kind = NeedsExclusiveDecoder
    finally:
        malloc.trim()
    # A new exception: the traceback of the first would keep the picture in memory.
    raise kind(message)


@contextmanager
def limited(limits: Limits, memory_bytes: int) -> Iterator[None]:
    """Limit this process (Linux only).

    Too much memory raises MemoryError, too much CPU time kills the process.
    """
    if not HAS_LIMITS:
        yield
        return
    import resource

    malloc.trim()  # of what receiving the file took
    with open("/proc/self/statm") as pages:
        taken = int(pages.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = taken + memory_bytes
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    limit_processor_time(limits.processor_seconds)
    try:
        yield
    finally:
        limit_processor_time(0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def limit_processor_time(seconds: float) -> None:
    """Have this process killed, even in C code, after so much CPU time from now on;
    never, if 0 (Linux only).
    """
    if HAS_LIMITS:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF
