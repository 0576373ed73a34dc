"""The work of a decoder process: picture bytes → a reading or a text, within limits of
memory and CPU time.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, TypeVar

from pebble import CONSTS
from PIL import Image

from app import malloc
from app.digit.reading import Reading
from app.picture.decode import open_image, page_count
from app.picture.errors import CorruptImage, PreprocessError, TooComplex
from app.picture.formats import has_pages
from app.serving.networks import Networks
from app.text.text import ImpossibleLength, Text

SHARED_PIXELS = 2_000_000  # maximum for decoding a picture in parallel with others
# A process that is killed while it takes a picture never returns the lock: the others
# then end.
LOCK_SECONDS = 5.0
Outcome = TypeVar("Outcome", Reading, Text, int)


networks: Networks  # of this process
Read = Callable[[Networks, bytes, int], Outcome]  # (networks, data, max_pixels)


class Limits(NamedTuple):
    """Limits for one picture.

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
    processor_seconds: float
    seconds: float
    width: float
    is_alone: bool


# CPU time to read strips, by their width: more than twice of what a small server takes.
SECONDS_PER_PIXEL = 1e-4
# The memory suffices for a photo of a page. Much writing would keep others waiting.
SHARED = Limits(80_000_000, 1.0, 5.0, width=10_000, is_alone=False)


class NeedsExclusiveDecoder(Exception):
    """The picture may take much memory, and has to be read alone."""


def prepare_process(digits: Path, lines: Path, pages: Path | None) -> None:
    """Make SIGTERM end this process at once, silence its standard error, tune malloc,
    and load and warm up the networks.
    """
    # Pebble's handler would wait for C code to return.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff writes to it directly
    malloc.tune()
    CONSTS.channel_lock_timeout = LOCK_SECONDS
    global networks
    networks = Networks.load(digits, lines, pages)
    warm_up(networks.read_digit)
    warm_up(networks.read_text)


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


def read_within(
    limits: Limits, data: bytes, max_pixels: int, read: Read[Outcome]
) -> Outcome:
    """Read a picture, in a process of the pool; raise NeedsExclusiveDecoder if it has
    to be read alone.
    """
    try:
        # The file is in memory already.
        with limited(limits._replace(memory_bytes=limits.memory_bytes - len(data))):
            if not limits.is_alone:
                check_moderate(data, max_pixels)
            return read(
                networks._replace(allow=partial(allow_page, limits)), data, max_pixels
            )
    except MemoryError:
        kind: type[Exception] = TooComplex if limits.is_alone else NeedsExclusiveDecoder
        megabytes = limits.memory_bytes // 1_000_000
        message = (
            f"The picture takes more than {megabytes} MB to decode: send a smaller "
            "one, or a JPEG."
        )
    except (PreprocessError, ImpossibleLength, NeedsExclusiveDecoder) as error:
        kind, message = type(error), str(error)
        if kind is CorruptImage and not limits.is_alone:
            # Libraries may call a picture damaged if they lack memory.
            kind = NeedsExclusiveDecoder
    finally:
        malloc.trim()
    # A new exception: the traceback of the first would keep the picture in memory.
    raise kind(message)


def count_pages(_: Networks, data: bytes, max_pixels: int) -> int:
    """Count the pages of a file, within the limits of a picture."""
    return page_count(data)


def check_moderate(data: bytes, max_pixels: int) -> None:
    """Raise NeedsExclusiveDecoder if a picture may need much memory, according to its
    header, or has pages.
    """
    if has_pages(data):
        raise NeedsExclusiveDecoder
    image = open_image(data, max_pixels)
    is_reduced_in_decoding = image.format == "JPEG" and "progressive" not in image.info
    if image.width * image.height > SHARED_PIXELS and not is_reduced_in_decoding:
        raise NeedsExclusiveDecoder


@contextmanager
def limited(limits: Limits) -> Iterator[None]:
    """Limit this process (Linux only): too much memory raises MemoryError, too much CPU
    time kills the process.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    with open("/proc/self/statm") as pages:
        taken = int(pages.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = taken + limits.memory_bytes
    resource.setrlimit(
        resource.RLIMIT_AS,
        (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard),
    )
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
    if sys.platform == "linux":
        signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF


def allow_page(limits: Limits, width: float) -> None:
    """Give a page the time to read its strips; raise NeedsExclusiveDecoder if it would
    take long beside others.
    """
    if width > limits.width:
        raise NeedsExclusiveDecoder
    limit_processor_time(limits.processor_seconds + SECONDS_PER_PIXEL * width)


def pid_later() -> int:
    """Return the id of this process, after a moment in which the others may do the
    same.
    """
    time.sleep(0.02)
    return os.getpid()
