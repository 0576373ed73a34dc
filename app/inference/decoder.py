"""What one decoder process does: picture bytes → frame, within limits of memory and processor time."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import NamedTuple

from PIL import Image

from app.inference import malloc
from app.inference.stage import Stage
from app.preprocess.decode import decode_image, open_image
from app.preprocess.errors import CorruptImage, PreprocessError, TooComplex
from app.preprocess.maps import Map
from app.preprocess.pipeline import frame_from_image

PROCESSOR_SECONDS = 2.0
SHARED_PIXELS, SHARED_MEMORY_BYTES = 2_000_000, 50_000_000  # of a picture that is decoded beside others


class Framed(NamedTuple):
    """A picture's frame, (28, 28) float32 in [0, 1], and where the time went."""

    frame: Map
    stages: tuple[Stage, ...]


class TakesMuchMemory(Exception):
    """The picture is to be decoded while no other like it is."""


def prepare_process() -> None:
    """Make this process one that SIGTERM ends at once, that says nothing, and that keeps little memory."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's handler would wait for C code to come back
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff writes there by itself
    malloc.return_large_blocks()


def frame_within(memory_bytes: int, data: bytes, max_pixels: int, is_alone: bool) -> Framed:
    """The frame of a picture, made in a process of the pool; TakesMuchMemory where it is to be made alone."""
    try:
        with limited(memory_bytes):
            return framed(data, max_pixels, is_alone)
    except MemoryError:
        kind: type[Exception] = TooComplex
        message = (
            f"The picture takes more than {memory_bytes // 1_000_000} MB to decode: send a smaller one, or a JPEG."
        )
    except (PreprocessError, TakesMuchMemory) as error:
        kind, message = type(error), str(error)
    finally:
        if is_alone:
            malloc.trim()
    raise kind(message)  # another one, since the traceback of the first would keep the picture in memory


def framed(data: bytes, max_pixels: int, is_alone: bool) -> Framed:
    """The frame of a picture, and where the time went."""
    times = [perf_counter_ns()]
    image = open_image(data, max_pixels) if is_alone else open_moderate(data, max_pixels)
    decoded = decode_image(image)
    times.append(perf_counter_ns())
    frame = frame_from_image(decoded)
    times.append(perf_counter_ns())
    return Framed(frame, tuple(map(Stage, ("decode", "preprocess"), times, times[1:])))


def open_moderate(data: bytes, max_pixels: int) -> Image.Image:
    """An open picture that takes little memory by its header; TakesMuchMemory for any other."""
    try:
        image = open_image(data, max_pixels)
    except CorruptImage as error:  # maybe for lack of memory: a WebP takes it when it is opened
        raise TakesMuchMemory from error
    is_reduced_in_decoding = image.format == "JPEG" and "progressive" not in image.info
    if image.width * image.height > SHARED_PIXELS and not is_reduced_in_decoding:
        raise TakesMuchMemory
    return image


@contextmanager
def limited(memory_bytes: int) -> Iterator[None]:
    """Within this, the system bounds the process: more memory is MemoryError, more processor time its end."""
    if sys.platform != "linux":
        yield
        return
    import resource

    with open("/proc/self/statm") as pages:
        taken = int(pages.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory_bytes, hard))
    signal.setitimer(signal.ITIMER_PROF, PROCESSOR_SECONDS)  # SIGPROF, which ends it in C code too
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
