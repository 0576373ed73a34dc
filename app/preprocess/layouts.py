"""Decoded picture → layouts: the ways in which its ink may be lines of writing. The network decides which one it is.

Pure functions: no settings, no files, no network. Ignores: what is written.
"""

from collections.abc import Iterator
from itertools import islice, product
from typing import NamedTuple

import numpy as np

from app.preprocess.decode import Picture
from app.preprocess.errors import TooMuchWriting
from app.preprocess.ink import View, views
from app.preprocess.lines import lines_of
from app.preprocess.maps import Box, Map
from app.preprocess.rules import without_rules
from app.preprocess.segments import Segments, segments_of

READ_SIDE = 640  # longer side, in pixels, to which larger pictures are averaged down
MOST_FRAMES = 2048
LEVEL = 0.3  # from here on it is ink, at a glance


class Layout(NamedTuple):
    """One way to understand a picture as lines of writing.

    Attributes
    ----------
    lines : tuple of Segments
        From top to bottom; boxes are in pixels of the upright picture.
    prior : float
        The logarithm of the odds that this is the way, as far as the view tells.
    is_erased, is_whole : bool
        Whether printed lines were taken out, and whether what the edges of the picture cut was left out.
    """

    lines: tuple[Segments, ...]
    prior: float
    is_erased: bool
    is_whole: bool


def layouts(picture: Picture, closely: bool) -> list[Layout]:
    """The ways in which a picture may be lines of writing; none where it is blank.

    Parameters
    ----------
    picture : Picture
        A decoded picture, no larger than READ_SIDE by much.
    closely : bool
        Whether to understand it in all ways, as far as MOST_FRAMES allows. At a glance, the first view is enough.

    Raises
    ------
    TooMuchWriting
        There is more of it in all of these ways than can be read.
    """
    found: list[Layout] = []
    too_much: TooMuchWriting | None = None
    frames = 0
    for way in ways(picture, closely):
        try:
            lines = [segments_of(line, way.level) for line in lines_of(way.ink, way.level, not way.is_whole)]
            if (more := frames + sum(len(line.frames) for line in lines)) > MOST_FRAMES:
                raise TooMuchWriting
        except TooMuchWriting as error:
            too_much = error
            continue
        some = tuple(on_picture(line, way.view, picture) for line in lines)
        layout = Layout(some, way.view.prior, way.is_erased, way.is_whole)
        if lines and not any(is_same(layout, other) for other in found):
            found.append(layout)
            frames = more
    if too_much and not found:
        raise too_much
    return found


class Way(NamedTuple):
    """A way to find lines of writing: in which ink of a view, from which level on, and what was left out."""

    view: View
    ink: Map
    level: float
    is_erased: bool
    is_whole: bool


def ways(picture: Picture, closely: bool) -> Iterator[Way]:
    """The ways to find lines on a picture, the usual ones first."""
    for view in views(picture.image, closely) if closely else islice(views(picture.image, closely), 1):
        erased = without_rules(view.ink, min(view.levels, default=LEVEL))
        inks = [view.ink] if erased is None else [view.ink, erased]
        levels = sorted({LEVEL, *view.levels}) if closely else [LEVEL]
        for ink, is_whole, level in product(inks, (False, True), levels):
            yield Way(view, ink, level, ink is erased, is_whole)


def on_picture(segments: Segments, view: View, picture: Picture) -> Segments:
    """Segments with their boxes in pixels of the upright picture."""
    boxes = [picture.box(Box(*box).shifted(view.top, view.left)) for box in segments.boxes.tolist()]
    return segments._replace(boxes=np.array(boxes, np.int64).reshape(-1, 4))


def is_same(layout: Layout, other: Layout) -> bool:
    """Whether two layouts have the same segments."""
    return len(layout.lines) == len(other.lines) and all(
        np.array_equal(line.boxes, same.boxes)
        and len(line.parts.ink) == len(same.parts.ink)
        and np.allclose(line.parts.ink, same.parts.ink, rtol=0.05)
        for line, same in zip(layout.lines, other.lines, strict=True)
    )
