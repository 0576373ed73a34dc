"""The work of a decoder process: picture bytes → candidates or strips, within limits of memory and CPU time."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter_ns
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from app.inference import malloc
from app.inference.stage import Stage
from app.preprocess.candidates import CLOSE_SIDE, GLANCE_SIDE, Candidate, candidates
from app.preprocess.decode import Picture, decode_image, open_image
from app.preprocess.errors import BlankImage, CorruptImage, PreprocessError, TooComplex
from app.preprocess.strips import Proposal, proposals, strip_side

Opener = Callable[[bytes, int], Image.Image]  # (data, max_pixels) -> an image that is not decoded yet
SHARED_PIXELS = 2_000_000  # maximum for decoding a picture in parallel with others


class Limits(NamedTuple):
    """Limits for one look at a picture: memory, CPU time and wall-clock time; and whether it is decoded alone."""

    memory_bytes: int
    processor_seconds: float
    seconds: float
    is_alone: bool


SHARED = Limits(50_000_000, 1.0, 2.5, is_alone=False)  # a picture may take several looks


class Search(NamedTuple):
    """How to search a picture, at a glance or closely, and the longer side to which it is downscaled first."""

    find: Callable[[Picture, bool], Any]  # (picture, closely) -> candidates, BlankImage or proposals
    side: Callable[[tuple[int, int], bool], int]  # (size of the picture, closely) -> pixels


class Found(NamedTuple):
    """The results of a search, its timed stages, and whether it was a close look."""

    results: Any  # of `Search.find`
    stages: tuple[Stage, ...]
    closely: bool


class TakesMuchMemory(Exception):
    """The picture may take much memory, and has to be decoded alone."""


def prepare_process() -> None:
    """Make SIGTERM end this process at once, silence its standard error, and tune its malloc."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's handler would wait for C code to return
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff writes to it directly
    malloc.return_large_blocks()
    _ = np.ones((64, 64), np.float32) @ np.ones((64, 64), np.float32)  # OpenBLAS allocates memory once, not per picture


def candidates_on(picture: Picture, closely: bool, with_ink: bool = False) -> list[Candidate] | BlankImage:
    """Find the candidates in one picture, or return BlankImage if there is none."""
    try:
        return candidates(picture, closely, with_ink)
    except BlankImage as error:
        return error.with_traceback(None)


def side_for_candidates(_: tuple[int, int], closely: bool) -> int:
    """Return the longer side to which a picture of one digit is downscaled."""
    return CLOSE_SIDE if closely else GLANCE_SIDE


def strips_on(picture: Picture, _: bool) -> list[Proposal]:
    """Propose the lines of writing in one picture; no look is closer than another."""
    return proposals(picture)


def side_for_strips(size: tuple[int, int], _: bool) -> int:
    """Return the longer side to which a picture of writing is downscaled."""
    return strip_side(size)


CANDIDATES = Search(candidates_on, side_for_candidates)
INKED_CANDIDATES = Search(partial(candidates_on, with_ink=True), side_for_candidates)
STRIPS = Search(strips_on, side_for_strips)


def find_within(limits: Limits, data: bytes, max_pixels: int, search: Search, closely: bool) -> Found:
    """Search a picture, in a process of the pool; raise TakesMuchMemory if it has to be decoded alone."""
    try:
        with limited(limits._replace(memory_bytes=limits.memory_bytes - len(data))):  # the file is in memory already
            return find(data, max_pixels, search, closely, open_image if limits.is_alone else open_moderate)
    except MemoryError:
        kind: type[Exception] = TooComplex if limits.is_alone else TakesMuchMemory
        megabytes = limits.memory_bytes // 1_000_000
        message = f"The picture takes more than {megabytes} MB to decode: send a smaller one, or a JPEG."
    except (PreprocessError, TakesMuchMemory) as error:
        kind, message = type(error), str(error)
        if kind is CorruptImage and not limits.is_alone:
            kind = TakesMuchMemory  # libraries may call a picture damaged if they lack memory
    finally:
        if limits.is_alone:
            malloc.trim()
    raise kind(message)  # a new exception: the traceback of the first would keep the picture in memory


def find(data: bytes, max_pixels: int, search: Search, closely: bool, opener: Opener = open_image) -> Found:
    """Decode and search a picture, and time both stages."""
    times = [perf_counter_ns()]
    image = opener(data, max_pixels)
    picture = decode_image(image, search.side(image.size, closely))
    times.append(perf_counter_ns())
    results = search.find(picture, closely)
    times.append(perf_counter_ns())
    return Found(results, tuple(map(Stage, ("decode", "preprocess"), times, times[1:])), closely)


def open_moderate(data: bytes, max_pixels: int) -> Image.Image:
    """Open a picture that needs little memory according to its header; raise TakesMuchMemory for others."""
    image = open_image(data, max_pixels)
    is_reduced_in_decoding = image.format == "JPEG" and "progressive" not in image.info
    if image.width * image.height > SHARED_PIXELS and not is_reduced_in_decoding:
        raise TakesMuchMemory
    return image


@contextmanager
def limited(limits: Limits) -> Iterator[None]:
    """Limit this process (Linux only): too much memory raises MemoryError, too much CPU time kills the process."""
    if sys.platform != "linux":
        yield
        return
    import resource

    with open("/proc/self/statm") as pages:
        taken = int(pages.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = taken + limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    signal.setitimer(signal.ITIMER_PROF, limits.processor_seconds)  # SIGPROF, which kills the process even in C code
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
