"""The work of a decoder process: picture bytes → a reading or a text, within limits."""

import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from multiprocessing.connection import Connection
from typing import TypeVar

from pebble import CONSTS
from PIL import Image

from app import malloc
from app.digit.reading import Reading
from app.picture.budget import Budget
from app.picture.decode import page_count
from app.picture.errors import CorruptImage, PictureError, TooComplex
from app.serving.networks import Files, Networks
from app.text.reading import ImpossibleLength
from app.text.transcription import Transcription

SHARED_PIXELS = 2_000_000  # maximum for decoding a picture in parallel with others
# A process that is killed while it takes a picture never returns the lock: the others
# then end.
LOCK_SECONDS = 5.0
# CPU time to read strips, by their width: more than twice of what a small server takes.
SECONDS_PER_PIXEL = 1e-4
HAS_LIMITS = sys.platform == "linux"
Outcome = TypeVar("Outcome", Reading, Transcription, int)
Read = Callable[..., Outcome]  # of networks, the bytes of a file, and a budget

networks: Networks  # of this process


class NeedsExclusiveDecoder(Exception):
    """The picture may take much memory, and has to be read alone."""


@dataclass(frozen=True, kw_only=True)
class Limits(Budget):
    """Limits for one picture: by default, for one that is read alone.

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
    is_alone : bool
        Whether it is read alone.
    """

    memory_bytes: int
    processor_seconds: float = 2.0
    seconds: float = 20.0
    width: float = math.inf
    is_alone: bool = True

    def check_header(self, image: Image.Image) -> None:
        """Raise NeedsExclusiveDecoder if decoding may take much memory."""
        if self.is_alone or image.width * image.height <= SHARED_PIXELS:
            return
        if image.format != "JPEG" or "progressive" in image.info:
            raise NeedsExclusiveDecoder  # it is not reduced as it is decoded

    def check_writing(self, width: float) -> None:
        """Give a page time for its strips; or raise NeedsExclusiveDecoder."""
        if width > self.width:
            raise NeedsExclusiveDecoder
        limit_processor_time(self.processor_seconds + SECONDS_PER_PIXEL * width)


# The memory suffices for a photo of a page. Much writing would keep others waiting.
SHARED = Limits(
    memory_bytes=80_000_000,
    processor_seconds=1.0,
    seconds=5.0,
    width=10_000,
    is_alone=False,
)


def prepare_process(files: Files, ready: Connection) -> None:
    """Load and warm up the networks, then say so, unless nobody waits for it.

    SIGTERM ends this process at once, and its standard error is silent.
    """
    # Pebble's handler would wait for C code to return.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff writes to it directly
    malloc.tune()
    CONSTS.channel_lock_timeout = LOCK_SECONDS
    global networks
    networks = Networks.load(*files)
    warm_up(networks.read_digit)
    warm_up(networks.read_text)
    with suppress(OSError):
        ready.send(None)


def warm_up(read: Callable[[bytes], object]) -> None:
    """Read a stroke: some memory is allocated only once, and some modules are loaded on
    first use.
    """
    picture = Image.new("L", (320, 240), 255)
    picture.paste(0, (150, 40, 170, 200))
    for kind in ("PNG", "JPEG"):
        file = BytesIO()
        picture.save(file, kind)
        read(file.getvalue())


def read_within(limits: Limits, data: bytes, read: Read[Outcome]) -> Outcome:
    """Read a picture in this process, a decoder.

    Raises NeedsExclusiveDecoder if the picture has to be read alone.
    """
    try:
        with limited(limits, limits.memory_bytes - len(data)):
            return read(networks, data, budget=limits)
    except MemoryError:
        kind: type[Exception] = TooComplex if limits.is_alone else NeedsExclusiveDecoder
        megabytes = limits.memory_bytes // 1_000_000
        message = (
            f"The picture takes more than {megabytes} MB to decode: send a smaller "
            "one, or a JPEG."
        )
    except (PictureError, ImpossibleLength, NeedsExclusiveDecoder) as error:
        kind = type(error)
        message = str(error)
        if kind is CorruptImage and not limits.is_alone:
            # Libraries may call a picture damaged if they lack memory.
            kind = NeedsExclusiveDecoder
    finally:
        malloc.trim()
    # A new exception: the traceback of the first would keep the picture in memory.
    raise kind(message)


def count_pages(_: Networks, data: bytes, budget: Budget) -> int:
    """Count the pages of a file, within the limits of a picture."""
    return page_count(data)


@contextmanager
def limited(limits: Limits, memory_bytes: int) -> Iterator[None]:
    """Limit this process (Linux only).

    Too much memory raises MemoryError, too much CPU time kills the process.
    """
    if not HAS_LIMITS:
        yield
        return
    import resource

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
