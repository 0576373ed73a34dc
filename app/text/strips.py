"""Decoded picture → strips: its lines of writing, as grey pixels for the line network.

Pure functions: no settings, no files, no network access.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.picture.decode import Picture
from app.picture.ink import opaque, plane, views
from app.picture.maps import Box, grown, sample
from app.picture.printed_lines import ink_without_printed_lines
from app.text.layout import Floats, Line

# Width of a strip over its height: narrower lines get a margin at both ends.
NARROWEST = 0.5
# Width of a picture that may be one line, over its height.
MIN_SHAPE, MAX_SHAPE = 0.3, 20
# A picture is downscaled to about this many pixels: a page; one that may be a line; and
# to find its printed lines.
PAGE_PIXELS, LINE_PIXELS, INK_PIXELS = 1400 * 1400, 640 * 640, 200 * 200
MAX_SIDE = 4 * 640  # the longer side, in pixels, for a long number
LEVEL = 0.3  # ink threshold
WIDER = 1.3  # slender digits in a row are told apart better if they are wider
# Height of a strip around a digit, in digit lengths, and its width, in heights.
AROUND, WIDEST = 2.0, 10 / 3


class Strip(NamedTuple):
    """A line of writing, level and scaled to one height.

    Attributes
    ----------
    pixels : NDArray
        (H, w) uint8: grey levels, of either polarity.
    place : NDArray
        (2, 3) float64: the affine map from pixels (x, y, 1) of the strip to pixels (x,
        y) of the upright picture.
    size : tuple of int
        Width and height of the upright picture.
    """

    pixels: NDArray[np.uint8]
    place: Floats
    size: tuple[int, int]

    @property
    def tilt(self) -> float:
        """The angle of the line on the upright picture, in radians; positive if it
        descends to the right.
        """
        return math.atan2(self.place[1, 0], self.place[0, 0])

    def box(self, top: float, bottom: float, left: float, right: float) -> Box:
        """Return the box on the upright picture around a part of the strip: at least
        one pixel, and none outside.
        """
        x, y = np.round(
            self.place
            @ [[left, left, right, right], [top, bottom, top, bottom], [1, 1, 1, 1]]
        )
        return Box(int(y.min()), int(y.max()), int(x.min()), int(x.max())).within(
            *self.size
        )


class Sheet(NamedTuple):
    """A picture in grey.

    Attributes
    ----------
    grey : Image
        The channel with the highest contrast of ink.
    ground : int
        The grey level of the background.
    picture : Picture
        Where it lies in the upright picture.
    """

    grey: Image.Image
    ground: int
    picture: Picture

    @classmethod
    def of(cls, picture: Picture) -> "Sheet":
        """Make a picture grey."""
        grey = np.round(255 * plane(opaque(picture.image))).astype(np.uint8)
        return cls(Image.fromarray(grey), int(np.median(sample(grey))), picture)

    def turned(self, degrees: int) -> "Sheet":
        """Return the sheet turned counter-clockwise by 0, 90, 180 or 270 degrees."""
        return Sheet(
            self.grey.rotate(degrees, expand=True),
            self.ground,
            self.picture.turned(degrees),
        )

    def busiest(self, side: int) -> Image.Image:
        """Return the part of the image with the most contrast, at most this wide and
        high.
        """
        away = np.abs(np.asarray(self.grey, np.float32) - self.ground)
        top = fullest(away.sum(axis=1), side)
        left = fullest(away[top : top + side].sum(axis=0), side)
        return self.grey.crop(
            (
                left,
                top,
                min(left + side, self.grey.width),
                min(top + side, self.grey.height),
            )
        )

    def strip(self, line: Line, height: int, stretch: float = 1.0) -> Strip:
        """Cut out a line, level and scaled to this height, with the ground outside the
        image; stretch it in length.
        """
        side = max(0.0, NARROWEST * line.height - line.length) / 2
        line = line._replace(left=line.left - side, right=line.right + side)
        width = max(1, round(stretch * height * line.length / line.height))
        grey, box = self.level(line)
        pixels = np.asarray(grey.resize((width, height), Image.Resampling.LANCZOS, box))
        picture = self.picture
        place = np.add(
            affine(line, width, height), [[0, 0, picture.left], [0, 0, picture.top]]
        )
        return Strip(pixels, picture.scale * place, (picture.width, picture.height))

    def level(
        self, line: Line
    ) -> tuple[Image.Image, tuple[float, float, float, float]]:
        """Return an image in which a line is level, and the box (left, top, right,
        bottom) of the line in it.
        """
        if line.tilt:
            size = max(1, round(line.length)), max(1, round(line.height))
            onto = affine(line, *size).ravel().tolist()
            bilinear = Image.Resampling.BILINEAR
            grey = self.grey.transform(
                size, Image.Transform.AFFINE, onto, bilinear, fillcolor=self.ground
            )
            return grey, (0, 0, *size)
        first, above = math.floor(line.left), math.floor(line.top)
        size = math.ceil(line.right) - first, math.ceil(line.bottom) - above
        part = Image.new("L", size, self.ground)
        part.paste(self.grey, (-first, -above))
        return part, (
            line.left - first,
            line.top - above,
            line.right - first,
            line.bottom - above,
        )


def fullest(values: NDArray[np.float32], length: int) -> int:
    """Return where the part of this length begins that has the largest sum; its middle
    counts most.
    """
    sums = np.convolve(values, np.hanning(min(length, len(values)) + 2)[1:-1], "valid")
    return int(sums.argmax())


def side_of(size: tuple[int, int], pixels: int) -> int:
    """Return the longer side to which a picture of this size is downscaled, to have
    about so many pixels.
    """
    share = min(1.0, math.sqrt(pixels / math.prod(size)))
    return max(1, min(MAX_SIDE, round(share * max(size))))


def whole_strips(picture: Picture, height: int) -> Iterator[Strip]:
    """Cut out the whole picture as one line, if its shape allows it: as it is, wider,
    and without printed lines.

    Parameters
    ----------
    picture : Picture
        A decoded picture.
    height : int
        Height of the strips.
    """
    sheet = Sheet.of(picture.reduced(side_of(picture.image.size, LINE_PIXELS)))
    line = Line(0, sheet.grey.height, 0, sheet.grey.width)
    if MIN_SHAPE <= sheet.grey.width / sheet.grey.height <= MAX_SHAPE:
        yield sheet.strip(line, height)
        yield sheet.strip(line, height, WIDER)
        if clean := without_printed_lines(sheet):
            yield clean.strip(line, height)


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
        AROUND times as high as the digit is long, and at most WIDEST times as wide as
        that, but within the picture.
    """
    sheet = Sheet.of(picture)
    top, bottom, left, right = picture.edges_in_image(box)
    tall = min(sheet.grey.height, AROUND * max(bottom - top, right - left))
    wide = min(sheet.grey.width, WIDEST * tall)
    first_row = centred(top + bottom, tall, sheet.grey.height)
    first_column = centred(left + right, wide, sheet.grey.width)
    return sheet.strip(
        Line(first_row, first_row + tall, first_column, first_column + wide), height
    )


def centred(ends: float, length: float, room: float) -> float:
    """Return the beginning of a part of this length, centred between two ends that add
    up to `ends`, within a room.
    """
    return min(max((ends - length) / 2, 0), room - length)


def without_printed_lines(sheet: Sheet) -> Sheet | None:
    """Paint over the printed lines on a sheet, such as those of a form; None if there
    are none.
    """
    grey = sheet.grey
    factor = max(1, round(math.sqrt(grey.width * grey.height / INK_PIXELS)))
    view = next(views(grey.reduce(factor) if factor > 1 else grey), None)
    erased = None if view is None else ink_without_printed_lines(view.ink, LEVEL)
    if view is None or erased is None:
        return None
    lines = Image.fromarray(grown(view.ink > erased)).resize(
        (factor * view.ink.shape[1], factor * view.ink.shape[0])
    )
    clean = grey.copy()
    clean.paste(sheet.ground, (factor * view.left, factor * view.top), lines)
    return sheet._replace(grey=clean)


def affine(line: Line, width: int, height: int) -> Floats:
    """Return the map (2, 3) from the pixels of a line's cut-out of this size to those
    of the image.
    """
    along, down = line.length / width, line.height / height
    cos, sin = math.cos(line.tilt), math.sin(line.tilt)
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([turn * [along, down], turn @ [line.left, line.top]])
