"""Decoded picture → strips: proposals for its lines of writing, as grey pixels for the line network.

The network decides which proposal is right. Pure functions: no settings, no files, no network access.
"""

import math
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.preprocess.decode import Picture
from app.preprocess.errors import TooMuchWriting
from app.preprocess.ink import opaque, plane, views
from app.preprocess.lines import Floats, Line, lines_of
from app.preprocess.maps import Box, grown, sample
from app.preprocess.pieces import Components
from app.preprocess.rules import without_rules

NARROWEST = 0.5  # width of a strip over its height: narrower lines get a margin at both ends
MIN_SHAPE, MAX_SHAPE = 0.3, 20  # width of a picture that may be one line, over its height
MAX_STRIPS = 40  # of all proposals together
# Larger pictures are downscaled to about this many pixels, and to find their ink, to fewer.
PIXELS, INK_PIXELS = 640 * 640, 200 * 200
MAX_SIDE = 4 * 640  # the longer side, in pixels, for a long number
# Height of ink that can be read in a strip of the whole picture, over the picture's, and the least share of such ink.
LARGE, MIN_LARGE = 1 / 8, 0.1
LEVEL = 0.3  # ink threshold
WIDER = 1.3  # slender digits in a row are told apart better if they are wider
AROUND, WIDEST = 2.0, 10 / 3  # height of a strip around a digit, in digit lengths, and its width, in heights
MARGIN, END_MARGIN = 0.2, 0.3  # above and below a line of ink, and at its ends, in digit heights


class Strip(NamedTuple):
    """A line of writing, level and scaled to one height.

    Attributes
    ----------
    pixels : NDArray
        (H, w) uint8: grey levels, of either polarity.
    place : NDArray
        (2, 3) float64: the affine map from pixels (x, y, 1) of the strip to pixels (x, y) of the upright picture.
    size : tuple of int
        Width and height of the upright picture.
    """

    pixels: NDArray[np.uint8]
    place: Floats
    size: tuple[int, int]

    def box(self, top: float, bottom: float, left: float, right: float) -> Box:
        """Return the box on the upright picture around a part of the strip: at least one pixel, and none outside."""
        x, y = np.round(self.place @ [[left, left, right, right], [top, bottom, top, bottom], [1, 1, 1, 1]])
        return Box(int(y.min()), int(y.max()), int(x.min()), int(x.max())).within(*self.size)


Proposal = tuple[Strip, ...]  # one way to see a picture: its lines, from top to bottom


def strip_side(size: tuple[int, int]) -> int:
    """Return the longer side, in pixels, to which a picture of this size is downscaled."""
    share = min(1.0, math.sqrt(PIXELS / math.prod(size)))
    return max(1, min(MAX_SIDE, round(share * max(size))))


def proposals(picture: Picture, height: int) -> Iterator[Proposal]:
    """Propose lines of writing: the whole picture, if its shape allows it, the lines of its ink, variants of the whole.

    Parameters
    ----------
    picture : Picture
        A decoded picture of at most about PIXELS.
    height : int
        Height of the strips.

    Raises
    ------
    TooMuchWriting
        There is more writing in the picture, or noise, than `lines_of` allows. If the picture may still be one line, it
        is proposed before, with its variants.
    """
    grey = grey_of(picture)
    cut = partial(strip_of, grey, picture=picture, fill=ground_of(grey), strip_height=height)
    shown, ink = whole(grey), [*components(grey)]
    written = [lines_of(box, mass) for box, mass in ink]
    is_too_much = None in written and not any(written)
    if is_too_much and not has_large_ink(*ink[0], grey.height):
        raise TooMuchWriting
    yield from ((cut(line),) for line in shown)
    found: list[list[Line]] = []
    for lines in written:
        if lines and lines not in found and len(shown) + sum(map(len, [*found, lines])) <= MAX_STRIPS:
            found.append(lines)
            yield tuple(cut(with_margin(line)) for line in lines)
    yield from ((cut(line, stretch=WIDER),) for line in shown)
    if (clean := without_printed_lines(grey)) is not None:
        yield from ((strip_of(clean, line, picture, ground_of(clean), height),) for line in whole(clean))
    if is_too_much:
        raise TooMuchWriting


def strip_around(picture: Picture, box: Box, height: int) -> Strip:
    """Cut out a digit and what is around it: a tight picture as a whole.

    Parameters
    ----------
    picture : Picture
        The picture.
    box : Box
        The digit's bounding box, in pixels of the upright picture.
    height : int
        Height of the strip.

    Returns
    -------
    Strip
        AROUND times as high as the digit is long, and at most WIDEST times as wide as that, but within the picture.
    """
    grey = grey_of(picture)
    top, bottom, left, right = picture.edges_in_image(box)
    tall = min(grey.height, AROUND * max(bottom - top, right - left))
    wide = min(grey.width, WIDEST * tall)
    first_row, first_column = centred(top + bottom, tall, grey.height), centred(left + right, wide, grey.width)
    line = Line(first_row, first_row + tall, first_column, first_column + wide, tall)
    return strip_of(grey, line, picture, ground_of(grey), height)


def centred(ends: float, length: float, room: float) -> float:
    """Return the beginning of a part of this length, centred between two ends that add up to `ends`, within a room."""
    return min(max((ends - length) / 2, 0), room - length)


def grey_of(picture: Picture) -> Image.Image:
    """Return the channel of a picture with the highest contrast of ink."""
    return Image.fromarray(np.round(255 * plane(opaque(picture.image))).astype(np.uint8))


def ground_of(grey: Image.Image) -> int:
    """Return the grey level of the background."""
    return int(np.median(sample(np.asarray(grey))))


def whole(grey: Image.Image) -> list[Line]:
    """Return the whole image as a line, if its shape allows it."""
    width, height = grey.size
    is_line = MIN_SHAPE <= width / height <= MAX_SHAPE
    return [Line(0, height, 0, width, height)] if is_line else []


def without_printed_lines(grey: Image.Image) -> Image.Image | None:
    """Paint over the printed lines in an image, such as those of a form; None if there are none."""
    factor, small = reduced(grey)
    view = next(views(small), None)
    erased = None if view is None else without_rules(view.ink, LEVEL)
    if view is None or erased is None:
        return None
    lines = Image.fromarray(grown(view.ink > erased)).resize((factor * view.ink.shape[1], factor * view.ink.shape[0]))
    clean = grey.copy()
    clean.paste(ground_of(grey), (factor * view.left, factor * view.top), lines)
    return clean


def reduced(grey: Image.Image) -> tuple[int, Image.Image]:
    """Reduce an image to about INK_PIXELS by a whole factor, and return both."""
    factor = max(1, round(math.sqrt(grey.width * grey.height / INK_PIXELS)))
    return factor, grey.reduce(factor) if factor > 1 else grey


def components(grey: Image.Image) -> Iterator[tuple[Floats, Floats]]:
    """Yield the components of a grey image's ink: their boxes (n, 4), and their mass (n,).

    First all, then without those that an edge cuts. If most of the image is dark, as a blackboard, those of light ink
    follow.
    """
    factor, small = reduced(grey)
    low, middle, high = np.percentile(sample(np.asarray(small)), [2, 50, 98])
    for image in (small, ImageOps.invert(small))[: 1 + (middle - low < high - middle)]:
        for ink, _, _, top, left in islice(views(image), 1):
            found = Components.of(ink, LEVEL)
            box = factor * np.add(found.box, [top, top, left, left], dtype=np.float64)
            yield box[1:], found.mass[1:]
            if not found.is_whole[1:].all():
                yield box[found.is_whole], found.mass[found.is_whole]


def has_large_ink(box: Floats, mass: Floats, height: int) -> bool:
    """Return whether some ink, given its components, is high enough to be read in a strip of the whole image."""
    return bool(mass[box[:, 1] - box[:, 0] >= LARGE * height].sum() >= MIN_LARGE * mass.sum())


def with_margin(line: Line) -> Line:
    """Return a line with a margin."""
    edges = np.array(line[:4]) + line.height * np.array([-MARGIN, MARGIN, -END_MARGIN, END_MARGIN])
    top, bottom, left, right = edges.tolist()
    return Line(top, bottom, left, right, line.height, line.tilt)


def strip_of(
    grey: Image.Image, line: Line, picture: Picture, fill: int, strip_height: int, stretch: float = 1.0
) -> Strip:
    """Cut a line out of a grey image, level and scaled, with this grey level outside the image."""
    height = line.bottom - line.top
    side = max(0.0, NARROWEST * height - (line.right - line.left)) / 2
    line = line._replace(left=line.left - side, right=line.right + side)
    width = max(1, round(stretch * strip_height * (line.right - line.left) / height))
    if not line.tilt:
        margin = max(0, math.ceil(max(-line.left, -line.top, line.right - grey.width, line.bottom - grey.height)))
        box = line.left + margin, line.top + margin, line.right + margin, line.bottom + margin
        grey = ImageOps.expand(grey, margin, fill)
    else:
        size = max(1, round(line.right - line.left)), max(1, round(height))
        box, onto = (0, 0, *size), affine(line, *size).ravel().tolist()
        grey = grey.transform(size, Image.Transform.AFFINE, onto, Image.Resampling.BILINEAR, fillcolor=fill)
    pixels = np.asarray(grey.resize((width, strip_height), Image.Resampling.LANCZOS, box))
    place = np.add(affine(line, width, strip_height), [[0, 0, picture.left], [0, 0, picture.top]])
    return Strip(pixels, picture.scale * place, (picture.width, picture.height))


def affine(line: Line, width: int, height: int) -> Floats:
    """Return the map (2, 3) from the pixels of a line's cut-out of this size to those of the image."""
    along, down = (line.right - line.left) / width, (line.bottom - line.top) / height
    cos, sin = math.cos(line.tilt), math.sin(line.tilt)
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([turn * [along, down], turn @ [line.left, line.top]])
