"""What one decoder process does: picture bytes → candidates or layouts, within limits of memory and processor time."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter_ns
from typing import Any, NamedTuple

from PIL import Image

from app.inference import malloc
from app.inference.stage import Stage
from app.preprocess.candidates import CLOSE_SIDE, GLANCE_SIDE, Candidate, candidates_of_pictures
from app.preprocess.decode import Picture, decode_image, open_image
from app.preprocess.errors import BlankImage, CorruptImage, PreprocessError, TooComplex
from app.preprocess.layouts import layouts, reading_side

SHARED_PIXELS = 2_000_000  # of a picture that is decoded beside others


class Limits(NamedTuple):
    """What one look at a picture may take: memory, processor time, and time."""

    memory_bytes: int
    processor_seconds: float
    seconds: float


SHARED = Limits(50_000_000, 1.0, 2.5)  # beside others, and maybe twice


class Search(NamedTuple):
    """What to look for on a picture, at a glance or closely, and the longer side to which one is averaged down."""

    find: Callable[[Picture, bool], list[Any]]  # picture, closely; may raise BlankImage
    side: Callable[[tuple[int, int], bool], int]  # the picture's size, closely


class Found(NamedTuple):
    """What was found on a picture, or that it is blank; where the time went, and whether it was looked at closely."""

    results: list[Any] | BlankImage
    stages: tuple[Stage, ...]
    closely: bool


class TakesMuchMemory(Exception):
    """The picture is to be decoded while no other like it is."""


def prepare_process() -> None:
    """Make this process one that SIGTERM ends at once, that says nothing, and that keeps little memory."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's handler would wait for C code to come back
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff writes there by itself
    malloc.return_large_blocks()


def candidates_on(picture: Picture, closely: bool, with_ink: bool = False) -> list[Candidate]:
    """What may be the digit on one picture."""
    (outcome,) = candidates_of_pictures([picture], closely, with_ink)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def side_for_candidates(_: tuple[int, int], closely: bool) -> int:
    """How large a picture of one digit is looked at."""
    return CLOSE_SIDE if closely else GLANCE_SIDE


CANDIDATES = Search(candidates_on, side_for_candidates)
INKED_CANDIDATES = Search(partial(candidates_on, with_ink=True), side_for_candidates)
LAYOUTS = Search(layouts, reading_side)


def find_within(limits: Limits, data: bytes, max_pixels: int, search: Search, closely: bool, is_alone: bool) -> Found:
    """What is found on a picture, in a process of the pool; TakesMuchMemory where it is to be decoded alone."""
    try:
        with limited(limits):
            return find(data, max_pixels, search, closely, is_alone)
    except MemoryError:
        kind: type[Exception] = TooComplex if is_alone else TakesMuchMemory
        megabytes = limits.memory_bytes // 1_000_000
        message = f"The picture takes more than {megabytes} MB to decode: send a smaller one, or a JPEG."
    except (PreprocessError, TakesMuchMemory) as error:
        kind, message = type(error), str(error)
    finally:
        if is_alone:
            malloc.trim()
    raise kind(message)  # another one, since the traceback of the first would keep the picture in memory


def find(data: bytes, max_pixels: int, search: Search, closely: bool, is_alone: bool) -> Found:
    """What is found on a picture, and where the time went."""
    times = [perf_counter_ns()]
    image = open_image(data, max_pixels) if is_alone else open_moderate(data, max_pixels)
    picture = decode_image(image, search.side(image.size, closely))
    times.append(perf_counter_ns())
    results: list[Any] | BlankImage
    try:
        results = search.find(picture, closely)
    except BlankImage as error:
        results = BlankImage(str(error))  # without a traceback, which would keep the picture in memory
    times.append(perf_counter_ns())
    return Found(results, tuple(map(Stage, ("decode", "preprocess"), times, times[1:])), closely)


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
def limited(limits: Limits) -> Iterator[None]:
    """Within this, the system bounds the process: more memory is MemoryError, more processor time its end."""
    if sys.platform != "linux":
        yield
        return
    import resource

    with open("/proc/self/statm") as pages:
        taken = int(pages.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + limits.memory_bytes, hard))
    signal.setitimer(signal.ITIMER_PROF, limits.processor_seconds)  # SIGPROF, which ends it in C code too
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
