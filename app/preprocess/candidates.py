"""Decoded picture → candidates: pieces of ink that may be the digit. The network decides which one is.

Pure functions: no settings, no files, no network. Ignores: what a candidate shows.
"""

import math
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from PIL import Image

from app.preprocess.decode import Picture
from app.preprocess.errors import BlankImage
from app.preprocess.frame import FRAME_SIDE, are_frames, frame_from_ink
from app.preprocess.ink import View, views
from app.preprocess.maps import Box, Map
from app.preprocess.pieces import Piece, pieces

# Longer sides, in pixels, to which larger pictures are averaged down: at a glance, and to be looked at closely.
GLANCE_SIDE, CLOSE_SIDE = 160, 320
ALL_LEVEL = 0.3  # from here on it is ink, where all of it belongs together


class Candidate(NamedTuple):
    """Ink that may be the digit.

    Attributes
    ----------
    frame : Map
        (28, 28) float32 in [0, 1], ink = 1.
    box : Box
        Where it is, in pixels of the upright picture.
    prior : float
        The logarithm of the odds that it is the digit, as far as its frame does not tell.
    ink : Map or None
        (H, W) float32 in [0, 1]: all ink on the upright picture in the view that it is from, at the size at which the
        picture is looked at; None where it is not asked for.
    """

    frame: Map
    box: Box
    prior: float
    ink: Map | None = None


def candidates_of_pictures(
    pictures: Sequence[Picture], closely: bool, with_ink: bool = False
) -> list[list[Candidate] | Exception]:
    """What may be the digit on each picture.

    Parameters
    ----------
    pictures : sequence of Picture
        Decoded pictures, no larger than GLANCE_SIDE or, to be looked at closely, than CLOSE_SIDE by much.
    closely : bool
        Whether to understand them in all ways. At a glance the usual ones are tried, and the first in which all ink is
        one piece is enough.
    with_ink : bool
        Whether each is to have the ink of the whole picture with it.

    Returns
    -------
    list of (list of Candidate) or Exception
        In their order; of each at least one candidate, or else why there is none, a BlankImage.
    """
    frames = frames_already(pictures)
    return [
        [frames[index]] if index in frames else candidates_or_error(picture, closely, with_ink)
        for index, picture in enumerate(pictures)
    ]


def frames_already(pictures: Sequence[Picture]) -> dict[int, Candidate]:
    """Those pictures that are frames, by their indices: they stay as they are, with levels from 0 to 1."""
    images = [picture.image for picture in pictures]
    sized = [i for i, image in enumerate(images) if image.mode == "L" and image.size == (FRAME_SIDE, FRAME_SIDE)]
    if not sized:
        return {}
    pixels = np.frombuffer(b"".join([images[index].tobytes() for index in sized]), np.uint8)
    pixels = pixels.reshape(-1, FRAME_SIDE, FRAME_SIDE)
    frames: list[Map] = list(pixels / np.float32(255))
    whole = Box(0, FRAME_SIDE, 0, FRAME_SIDE)
    return {
        index: Candidate(frame, whole, 0.0, frame)
        for index, frame, is_frame in zip(sized, frames, are_frames(pixels), strict=True)
        if is_frame
    }


def candidates_or_error(picture: Picture, closely: bool, with_ink: bool) -> list[Candidate] | Exception:
    """The candidates on a picture, or why there is none."""
    try:
        return candidates(picture, closely, with_ink)
    except Exception as error:  # whatever is wrong with one picture, the others have their candidates
        return error.with_traceback(None)  # which would keep the picture in memory


def candidates(picture: Picture, closely: bool, with_ink: bool = False) -> list[Candidate]:
    """The candidates on a picture: each piece of ink in each view; BlankImage where there is none."""
    found = pieces_of(picture, closely, with_ink)
    if not found:
        raise BlankImage("There is no ink on the picture: write the digit darker or larger, or crop closer to it.")
    largest = max(piece.box.size for piece, _ in found)
    return [
        Candidate(frame_from_ink(ink), picture.box(box), prior + math.log(box.size / largest), all_ink)
        for (ink, box, prior), all_ink in found
    ]


def pieces_of(picture: Picture, closely: bool, with_ink: bool) -> list[tuple[Piece, Map | None]]:
    """What may be the digit, in all views of a picture, with a view's ink where it is asked for.

    At a glance, a view in which the digit is alone is enough.
    """
    found: list[tuple[Piece, Map | None]] = []
    for view in views(picture.image, closely):
        some = pieces_in(view)
        ink = ink_on(picture, view) if with_ink else None
        for piece in some:
            found.append((Piece(piece.ink, piece.box.shifted(view.top, view.left), piece.prior + view.prior), ink))
        if not closely and is_alone(some, view):
            break
    return found


def ink_on(picture: Picture, view: View) -> Map:
    """The ink in a view, on a map of the whole upright picture."""
    size = [max(1, round(side / picture.scale)) for side in (picture.width, picture.height)]
    sheet = Image.new("F", (size[0], size[1]))
    sheet.paste(Image.fromarray(view.ink), (picture.left + view.left, picture.top + view.top))
    return np.asarray(sheet)


def pieces_in(view: View) -> list[Piece]:
    """What may be the digit in one view, at all of its levels, each only once."""
    if not view.levels:
        return list(islice(pieces(view.ink, ALL_LEVEL), 1))
    lowest, *higher = view.levels
    found = list(pieces(view.ink, lowest))
    if is_alone(found, view):
        return found
    found += [piece for level in higher for piece in pieces(view.ink, level)]
    distinct: dict[tuple[Box, int], Piece] = {}
    for piece in found:
        if not is_strip(piece.box, view):
            distinct.setdefault((piece.box, round(20 * math.log(piece.ink.sum()))), piece)
    return list(distinct.values())


def is_strip(box: Box, view: View) -> bool:
    """Whether a box goes from edge to edge, and is less than half as wide as the map: a line, or where light ends."""
    (height, width), (top, bottom, left, right) = view.ink.shape, box
    is_upright = top == 0 and bottom == height and 2 * (right - left) < width
    return is_upright or (left == 0 and right == width and 2 * (bottom - top) < height)


def is_alone(found: list[Piece], view: View) -> bool:
    """Whether all ink is one piece, clear of the edges."""
    if len(found) != 1:
        return False
    (height, width), (top, bottom, left, right) = view.ink.shape, found[0].box
    return top > 0 and bottom < height and left > 0 and right < width
