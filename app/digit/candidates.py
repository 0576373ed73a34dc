"""Decoded picture → candidates: pieces of ink that may be the digit.

The network decides which one is. Pure functions: no settings, no files, no network
access.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from PIL import Image

from app.picture.decode import Picture
from app.picture.frame import FRAME_SIDE, as_frame, frame_from_ink
from app.picture.ink import SMALL_SIDE, View, views
from app.picture.maps import Map, PixelBox
from app.picture.pieces import Piece, pieces
from app.picture.printed_lines import ink_without_printed_lines

WHOLE = PixelBox(0, FRAME_SIDE, 0, FRAME_SIDE)  # a whole frame
ALL_LEVEL = 0.3  # ink threshold in views whose ink all belongs together


class Candidate(NamedTuple):
    """A candidate for the digit.

    Attributes
    ----------
    frame : Map
        (28, 28) float32 in [0, 1], ink = 1.
    box : PixelBox
        Its bounding box, in pixels of the upright picture.
    prior : float
        Log-odds that it is the digit, before its frame is classified and its size is
        compared with others.
    picture : Picture
        The picture in which it was found, fine or coarse.
    view : View
        The view of its image.
    """

    frame: Map
    box: PixelBox
    prior: float
    picture: Picture
    view: View


def candidates(picture: Picture) -> Iterator[list[Candidate]]:
    """Yield the candidates in a picture, view after view, the most common views first.

    An image that already is a frame is the only candidate. A blank one has none.

    Parameters
    ----------
    picture : Picture
        A decoded picture with a longer side of at most a few hundred pixels.
    """
    frame = as_frame(picture.image)
    if frame is not None:
        yield [Candidate(frame, WHOLE, 0.0, picture, View(frame))]
        return
    for view, found in pieces_of(picture.image):
        if found:
            yield [candidate(piece, view, picture) for piece in found]


def pieces_of(image: Image.Image) -> Iterator[tuple[View, list[Piece]]]:
    """Yield the pieces in each view of an image.

    After the first view, those in it without printed lines follow.
    """
    for number, view in enumerate(views(image)):
        found = pieces_in(view)
        yield view, found
        if number == 0:  # in other views, this gains nothing
            yield view, pieces_without_printed_lines(view, found)


def candidate(piece: Piece, view: View, picture: Picture) -> Candidate:
    """Convert a piece in a view of a picture to a candidate."""
    frame = frame_from_ink(piece.ink)
    box = picture.box(piece.box.shifted(view.top, view.left))
    return Candidate(frame, box, piece.prior + view.prior, picture, view)


def ink_around(candidate: Candidate) -> Map:
    """Return the ink in a candidate's view, on a map of the whole upright picture."""
    picture = candidate.picture
    view = candidate.view
    sheet = Image.new("F", picture.sheet_size)
    corner = picture.left + view.left, picture.top + view.top
    sheet.paste(Image.fromarray(view.ink), corner)
    return np.asarray(sheet)


def pieces_in(view: View) -> list[Piece]:
    """Return the pieces in a view, at all its thresholds; the first one in each box."""
    if not view.levels:
        return list(islice(pieces(view.ink, ALL_LEVEL), 1))
    lowest, *higher = view.levels
    found = list(pieces(view.ink, lowest))
    if len(found) == 1 and is_clear(found[0].box, view):
        return found
    for level in higher:
        found += pieces(view.ink, level)
    distinct: dict[PixelBox, Piece] = {}
    for piece in found:
        if not is_strip(piece.box, view):
            distinct.setdefault(piece.box, piece)
    return list(distinct.values())


def pieces_without_printed_lines(view: View, found: list[Piece]) -> list[Piece]:
    """Return the pieces in a view without its printed lines, if it has any.

    Those in the boxes of pieces that were found before are left out. In a small
    picture, a stroke is as long as a line would be. If all pieces touch the edges, they
    may be an uneven ground.
    """
    is_small = max(view.ink.shape) <= SMALL_SIDE
    has_clear = any(is_clear(piece.box, view) for piece in found)
    if is_small or not view.levels or not has_clear:
        return []
    erased = ink_without_printed_lines(view.ink, min(view.levels))
    if erased is None:
        return []
    boxes = {piece.box for piece in found}
    further = pieces_in(view._replace(ink=erased))
    return [piece for piece in further if piece.box not in boxes]


def is_strip(box: PixelBox, view: View) -> bool:
    """Return whether a box spans the map one way, and less than half of it the other.

    It is a line, or a shadow's edge.
    """
    map_height, map_width = view.ink.shape
    height = box.bottom - box.top
    width = box.right - box.left
    is_upright = height == map_height and 2 * width < map_width
    is_level = width == map_width and 2 * height < map_height
    return bool(is_upright or is_level)


def is_clear(box: PixelBox, view: View) -> bool:
    """Return whether a box touches no edge of the map."""
    height, width = view.ink.shape
    return PixelBox(1, height - 1, 1, width - 1).contains(box)
