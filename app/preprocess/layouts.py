"""Decoded picture → layouts: candidate segmentations of its ink into lines of writing.

The network decides which one is right. Pure functions: no settings, no files, no network access.
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice, product
from time import thread_time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.preprocess.decode import Picture
from app.preprocess.errors import TooMuchWriting
from app.preprocess.ink import View, views
from app.preprocess.lines import Line, lines_of, stray
from app.preprocess.maps import Box, Map
from app.preprocess.pieces import Components
from app.preprocess.rules import without_rules
from app.preprocess.seams import cuts_of
from app.preprocess.segments import Segments, segments_of

# Larger pictures are downscaled to this many pixels, for a glance and for a close look.
GLANCE_PIXELS, CLOSE_PIXELS = 200 * 200, 640 * 640
MAX_SIDE = 4 * 640  # the longer side, in pixels, for a long number
MAX_FRAMES = 2048  # of the first segmentation
# Once there is one: frames and processor time of all together. A decoder process may take a second for a look.
ENOUGH_FRAMES, ENOUGH_SECONDS = 600, 0.6
LEVEL = 0.3  # ink threshold, the only one for a glance
# One segmentation of a picture into lines of writing, from top to bottom; boxes are in pixels of the upright picture.
Layout = tuple[Segments, ...]


def reading_side(size: tuple[int, int], closely: bool) -> int:
    """Return the longer side, in pixels, to which a picture of this size is downscaled for reading."""
    share = min(1.0, math.sqrt((CLOSE_PIXELS if closely else GLANCE_PIXELS) / math.prod(size)))
    return max(1, min(MAX_SIDE, round(share * max(size))))


def layouts(picture: Picture, closely: bool) -> list[Layout]:
    """Find the layouts of a picture; a blank one has none.

    Parameters
    ----------
    picture : Picture
        A decoded picture of at most about GLANCE_PIXELS or, for a close look, CLOSE_PIXELS.
    closely : bool
        Whether to try all views and thresholds, until this has taken ENOUGH_SECONDS of processor time. A glance tries
        only the first view.

    Raises
    ------
    TooMuchWriting
        The picture has more writing, or noise, than can be read.
    """
    found: dict[Hashable, Layout] = {}
    most, begin = MAX_FRAMES, thread_time()
    for way in ways(picture, closely):
        if found and thread_time() - begin > ENOUGH_SECONDS:
            break
        try:
            lines = lines_of(way.ink, way.found, way.printed, way.left_out)
            if not lines or (key := gist(lines, way.view)) in found:
                continue
            segments = segments_of_lines(lines, way.level, most)
        except TooMuchWriting:
            if not found:
                raise
            break  # the other ways find as much writing, and would take long
        most = min(most, ENOUGH_FRAMES) - sum(len(line.frames) for line in segments)
        found[key] = tuple(on_picture(line, way.view, picture) for line in segments)
    return list(found.values())


def segments_of_lines(lines: Sequence[Line], level: float, most: int) -> list[Segments]:
    """Cut lines into segments; raise TooMuchWriting if they have more than `most` frames."""
    found = []
    for line in lines:
        found.append(segments_of(line, cuts_of(line), level))
        most -= len(found[-1].frames)
        if most < 0:
            raise TooMuchWriting
    return found


def gist(lines: Sequence[Line], view: View) -> Hashable:
    """Return a key that near-duplicate lines share: their boxes, and the amount of their ink to within 5 %."""
    return tuple((line.box.shifted(view.top, view.left), round(20 * math.log(line.ink.sum()))) for line in lines)


class Way(NamedTuple):
    """One way to find lines of writing: a view, its ink with or without printed lines, and an ink threshold.

    `printed` is the ink of the printed lines, if there are any and they were not removed; `found`, the components of
    the ink; and `left_out`, the stray ones, if they are left out unless they are as tall as digits.
    """

    view: View
    ink: Map
    printed: Map | None
    level: float
    found: Components
    left_out: NDArray[np.bool_] | None


def ways(picture: Picture, closely: bool) -> Iterator[Way]:
    """Yield the ways to find lines in a picture: in all views at LEVEL, then at the other levels."""
    found = list(islice(views(picture.image, closely), None if closely else 1))
    for view in found:
        yield from ways_in(view, [LEVEL])
    for view in found if closely else ():
        yield from ways_in(view, [level for level in view.levels if level != LEVEL])


def ways_in(view: View, levels: Sequence[float]) -> Iterator[Way]:
    """Yield the ways to find lines in a view, at these ink thresholds."""
    if not levels:
        return
    erased = without_rules(view.ink, min(view.levels, default=LEVEL))
    inks = [(view.ink, None)] if erased is None else [(view.ink, view.ink - erased), (erased, None)]
    for (ink, printed), level in product(inks, levels):
        found = Components.of(ink, level)
        yield Way(view, ink, printed, level, found, left_out=None)
        if (strays := stray(found)).any():
            yield Way(view, ink, printed, level, found, left_out=strays)


def on_picture(segments: Segments, view: View, picture: Picture) -> Segments:
    """Convert the boxes of segments to pixels of the upright picture."""
    boxes = [picture.box(Box(*box).shifted(view.top, view.left)) for box in segments.boxes.tolist()]
    return segments._replace(boxes=np.array(boxes, np.int64).reshape(-1, 4))
