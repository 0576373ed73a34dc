"""Decoded picture → layouts: the ways in which its ink may be lines of writing. The network decides which one it is.

Pure functions: no settings, no files, no network. Ignores: what is written.
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice, product
from typing import NamedTuple

import numpy as np

from app.preprocess.decode import Picture
from app.preprocess.errors import TooMuchWriting
from app.preprocess.ink import View, views
from app.preprocess.lines import Line, lines_of
from app.preprocess.maps import Box, Map
from app.preprocess.pieces import Components
from app.preprocess.rules import without_rules
from app.preprocess.segments import Segments, segments_of

# To so many pixels larger pictures are averaged down: at a glance, and to be looked at closely.
GLANCE_PIXELS, CLOSE_PIXELS = 240 * 240, 640 * 640
LONGEST = 4 * 640  # side of a picture, and of a long number
MOST_FRAMES = 2048
ENOUGH_FRAMES = 600  # from here on a picture is not looked at in yet another way, which would take long
LEVEL = 0.3  # from here on it is ink, at a glance


class Layout(NamedTuple):
    """One way to understand a picture as lines of writing.

    Attributes
    ----------
    lines : tuple of Segments
        From top to bottom; boxes are in pixels of the upright picture.
    is_erased : bool
        Whether printed lines were taken out.
    """

    lines: tuple[Segments, ...]
    is_erased: bool


def reading_side(size: tuple[int, int], closely: bool) -> int:
    """The longer side, in pixels, to which a picture of this size is averaged down to be read."""
    share = min(1.0, math.sqrt((CLOSE_PIXELS if closely else GLANCE_PIXELS) / math.prod(size)))
    return max(1, min(LONGEST, round(share * max(size))))


def layouts(picture: Picture, closely: bool) -> list[Layout]:
    """The ways in which a picture may be lines of writing; none where it is blank.

    Parameters
    ----------
    picture : Picture
        A decoded picture, no larger than GLANCE_PIXELS or, to be looked at closely, than CLOSE_PIXELS by much.
    closely : bool
        Whether to understand it in all ways, as far as MOST_FRAMES allows. At a glance, the first view is enough.

    Raises
    ------
    TooMuchWriting
        There is more of it, or of noise, than can be read.
    """
    found: dict[Hashable, Layout] = {}
    left = MOST_FRAMES
    for way in ways(picture, closely):
        if MOST_FRAMES - left > ENOUGH_FRAMES:
            break
        try:
            lines = lines_of(way.ink, way.found, way.with_cut_off)
            if not lines or (key := gist(lines, way.view)) in found:
                continue
            segments = segments_of_lines(lines, way.level, left)
        except TooMuchWriting:
            if not found:
                raise
            break  # the other ways would have no less of it, and take long
        left -= sum(len(line.frames) for line in segments)
        on_it = tuple(on_picture(line, way.view, picture) for line in segments)
        found[key] = Layout(on_it, way.is_erased)
    return list(found.values())


def segments_of_lines(lines: Sequence[Line], level: float, most: int) -> list[Segments]:
    """What may be digits in lines; TooMuchWriting where it has more than so many frames."""
    found = []
    for line in lines:
        found.append(segments_of(line, level))
        most -= len(found[-1].frames)
        if most < 0:
            raise TooMuchWriting
    return found


def gist(lines: Sequence[Line], view: View) -> Hashable:
    """What is the same of lines that are as good as the same: where they are, and how much ink they have."""
    return tuple((line.box.shifted(view.top, view.left), round(20 * math.log(line.ink.sum()))) for line in lines)


class Way(NamedTuple):
    """A way to find lines of writing: in which ink of a view, from which level on, and without what."""

    view: View
    ink: Map
    level: float
    found: Components
    is_erased: bool
    with_cut_off: bool


def ways(picture: Picture, closely: bool) -> Iterator[Way]:
    """The ways to find lines on a picture, the usual ones first."""
    for view in islice(views(picture.image, closely), None if closely else 1):
        erased = without_rules(view.ink, min(view.levels, default=LEVEL))
        inks = [view.ink] if erased is None else [view.ink, erased]
        levels = sorted({LEVEL, *view.levels}) if closely else [LEVEL]
        for ink, level in product(inks, levels):
            found = Components.of(ink, level)
            yield from (Way(view, ink, level, found, ink is erased, with_cut_off) for with_cut_off in (True, False))


def on_picture(segments: Segments, view: View, picture: Picture) -> Segments:
    """Segments with their boxes in pixels of the upright picture."""
    boxes = [picture.box(Box(*box).shifted(view.top, view.left)) for box in segments.boxes.tolist()]
    return segments._replace(boxes=np.array(boxes, np.int64).reshape(-1, 4))
