"""Decoded picture → candidates: pieces of ink that may be the digit.

The network decides which one is. Pure functions: no settings, no files, no network access.
"""

import math
from itertools import islice
from typing import NamedTuple

import numpy as np
from PIL import Image

from app.preprocess.decode import Picture
from app.preprocess.errors import BlankImage
from app.preprocess.frame import FRAME_SIDE, as_frame, frame_from_ink
from app.preprocess.ink import SMALL_SIDE, View, views
from app.preprocess.maps import Box, Map
from app.preprocess.pieces import Piece, pieces
from app.preprocess.rules import without_rules

# Larger pictures are downscaled to this longer side, in pixels, for a glance and for a close look.
GLANCE_SIDE, CLOSE_SIDE = 160, 320
WHOLE = Box(0, FRAME_SIDE, 0, FRAME_SIDE)  # a whole frame
ALL_LEVEL = 0.3  # ink threshold in views whose ink all belongs together


class Candidate(NamedTuple):
    """A candidate for the digit.

    Attributes
    ----------
    frame : Map
        (28, 28) float32 in [0, 1], ink = 1.
    box : Box
        Its bounding box, in pixels of the upright picture.
    prior : float
        Log-odds that it is the digit, before its frame is classified.
    ink : Map or None
        (H, W) float32 in [0, 1]: all ink of its view in the upright picture, at the resolution that was searched; None
        unless requested.
    """

    frame: Map
    box: Box
    prior: float
    ink: Map | None = None


def candidates(picture: Picture, closely: bool, with_ink: bool = False) -> list[Candidate]:
    """Find the candidates in a picture, at least one; an image that already is a frame is the only one.

    Parameters
    ----------
    picture : Picture
        A decoded picture with a longer side of at most about GLANCE_SIDE or, for a close look, CLOSE_SIDE.
    closely : bool
        Whether to try all views. A glance tries the common ones, and stops at the first one in which all ink is one
        piece.
    with_ink : bool
        Whether to return the ink of the whole picture with each candidate.

    Raises
    ------
    BlankImage
    """
    if (frame := as_frame(picture.image)) is not None:
        return [Candidate(frame, WHOLE, 0.0, frame)]
    found = pieces_of(picture, closely, with_ink)
    if not found:
        raise BlankImage("There is no ink in the picture: write the digit darker or larger, or crop closer to it.")
    largest = max(piece.box.size for piece, _ in found)
    return [
        Candidate(frame_from_ink(ink), picture.box(box), prior + math.log(box.size / largest), all_ink)
        for (ink, box, prior), all_ink in found
    ]


def pieces_of(picture: Picture, closely: bool, with_ink: bool) -> list[tuple[Piece, Map | None]]:
    """Return the pieces in all views of a picture, each with its view's ink if requested.

    A glance stops at the first view in which all ink is one piece.
    """
    found: list[tuple[Piece, Map | None]] = []
    for number, view in enumerate(views(picture.image, closely)):
        in_view = pieces_in(view)
        if closely and number == 0:  # in other views, this gains nothing
            in_view += pieces_without_rules(view, in_view)
        ink = ink_on(picture, view) if with_ink else None
        for piece in in_view:
            found.append((Piece(piece.ink, piece.box.shifted(view.top, view.left), piece.prior + view.prior), ink))
        if not closely and is_isolated(in_view, view):
            break
    return found


def ink_on(picture: Picture, view: View) -> Map:
    """Place the ink of a view on a map of the whole upright picture."""
    width, height = (max(1, round(side / picture.scale)) for side in (picture.width, picture.height))
    sheet = Image.new("F", (width, height))
    sheet.paste(Image.fromarray(view.ink), (picture.left + view.left, picture.top + view.top))
    return np.asarray(sheet)


def pieces_in(view: View) -> list[Piece]:
    """Return the pieces in a view, at all of its thresholds; only the first one in each box."""
    if not view.levels:
        return list(islice(pieces(view.ink, ALL_LEVEL), 1))
    lowest, *higher = view.levels
    found = list(pieces(view.ink, lowest))
    if is_isolated(found, view):
        return found
    found += [piece for level in higher for piece in pieces(view.ink, level)]
    distinct: dict[Box, Piece] = {}
    for piece in found:
        if not is_strip(piece.box, view):
            distinct.setdefault(piece.box, piece)
    return list(distinct.values())


def pieces_without_rules(view: View, found: list[Piece]) -> list[Piece]:
    """Return the pieces in a view without its printed lines, if it has any, in other boxes than those found before.

    In a small picture, a stroke is as long as a line would be. If all pieces touch the edges, they may be an uneven
    ground.
    """
    is_small = max(view.ink.shape) <= SMALL_SIDE
    if is_small or not view.levels or not any(is_clear(piece.box, view) for piece in found):
        return []
    erased = without_rules(view.ink, min(view.levels))
    if erased is None:
        return []
    boxes = {piece.box for piece in found}
    return [piece for piece in pieces_in(view._replace(ink=erased)) if piece.box not in boxes]


def is_strip(box: Box, view: View) -> bool:
    """Return whether a box spans the map one way, and less than half of it the other: a line, or a shadow's edge."""
    (height, width), (top, bottom, left, right) = view.ink.shape, box
    is_upright = top == 0 and bottom == height and 2 * (right - left) < width
    return is_upright or (left == 0 and right == width and 2 * (bottom - top) < height)


def is_isolated(found: list[Piece], view: View) -> bool:
    """Return whether all ink is one piece, clear of the edges."""
    return len(found) == 1 and is_clear(found[0].box, view)


def is_clear(box: Box, view: View) -> bool:
    """Return whether a box touches no edge of the map."""
    (height, width), (top, bottom, left, right) = view.ink.shape, box
    return top > 0 and bottom < height and left > 0 and right < width
