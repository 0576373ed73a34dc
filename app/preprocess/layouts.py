"""Decoded picture → layouts: the ways in which its ink may be lines of writing. The network decides which one it is.

Pure functions: no settings, no files, no network. Ignores: what is written.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from app.preprocess.decode import Picture
from app.preprocess.ink import View, views
from app.preprocess.lines import lines_of
from app.preprocess.maps import Box
from app.preprocess.rules import without_rules
from app.preprocess.segments import Segments, segments_of

READ_SIDE = 640  # longer side, in pixels, to which larger pictures are averaged down
LEVEL = 0.3  # from here on it is ink, at a glance


class Layout(NamedTuple):
    """One way to understand a picture as lines of writing.

    Attributes
    ----------
    lines : tuple of Segments
        From top to bottom; boxes are in pixels of the upright picture.
    prior : float
        The logarithm of the odds that this is the way, as far as the view tells.
    is_erased : bool
        Whether printed lines were taken out.
    """

    lines: tuple[Segments, ...]
    prior: float
    is_erased: bool


def layouts(picture: Picture, closely: bool) -> list[Layout]:
    """The ways in which a picture may be lines of writing; none where it is blank, or noise."""
    found: list[Layout] = []
    for view in views(picture.image, closely):
        levels = {LEVEL, *view.levels} if closely else {LEVEL}
        for layout in layouts_of_view(view, sorted(levels), picture):
            if not any(is_same(layout, other) for other in found):
                found.append(layout)
        if not closely and found:
            break
    return found


def layouts_of_view(view: View, levels: Iterable[float], picture: Picture) -> Iterator[Layout]:
    """The lines of writing in a view, as they are and without printed lines, at some levels of ink."""
    erased = without_rules(view.ink, min(view.levels, default=LEVEL))
    for ink in [view.ink] if erased is None else [view.ink, erased]:
        for level in levels:
            if lines := lines_of(ink, level):
                some = tuple(on_picture(segments_of(line, ink.shape, level), view, picture) for line in lines)
                yield Layout(some, view.prior, ink is erased)


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
