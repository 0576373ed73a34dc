"""Decoded picture → strips: its lines of writing as grey pixels, level and scaled."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.picture.decode import Picture
from app.picture.ink import opaque, plane, views
from app.picture.maps import PixelBox, grown, sample
from app.picture.pieces import Components
from app.picture.printed_lines import ink_without_printed_lines
from app.text.layout import Floats, LineBox

# Width of a strip over its height: narrower lines get a margin at both ends.
NARROWEST = 0.5
# Width over height of a picture that may be one line.
MIN_SHAPE = 0.3
MAX_SHAPE = 20
# A picture is downscaled to about this many pixels.
PAGE_PIXELS = 1400 * 1400  # as a page
LINE_PIXELS = 640 * 640  # as one line
INK_PIXELS = 200 * 200  # to find its printed lines
PIECE_PIXELS = 100 * 100  # to count its pieces of ink
MAX_SIDE = 4 * 640  # the longer side, in pixels, for a long number
LEVEL = 0.3  # ink threshold
LOWEST = 8  # height in pixels of the lowest writing that is looked for
WIDER = 1.3  # slender digits in a row are told apart better if they are wider
AROUND = 2.0  # height of a strip around a digit, in digit lengths
WIDEST = 10 / 3  # its width over its height
Pixels = NDArray[np.uint8]
WholeStrip = Callable[["Sheet", int], "Strip | None"]  # of this height


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

    pixels: Pixels
    place: Floats
    size: tuple[int, int]

    @property
    def tilt(self) -> float:
        """The angle of the line on the upright picture, in radians.

        It is positive if the line descends to the right.
        """
        return math.atan2(self.place[1, 0], self.place[0, 0])

    def box(self, top: float, bottom: float, left: float, right: float) -> PixelBox:
        """Return the box on the upright picture around a part of the strip.

        It has at least one pixel, and none outside the picture.
        """
        across = [left, left, right, right]
        corners = np.array([across, [top, bottom, top, bottom], np.ones(4)])
        x, y = np.round(self.place @ corners).astype(int).tolist()
        return PixelBox(min(y), max(y), min(x), max(x)).within(*self.size)


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
        levels = 255 * plane(opaque(picture.image))
        grey = np.round(levels).astype(np.uint8)
        ground = int(np.median(sample(grey)))
        return cls(Image.fromarray(grey), ground, picture)

    def turned(self, degrees: int) -> "Sheet":
        """Return the sheet turned counter-clockwise by 0, 90, 180 or 270 degrees."""
        return Sheet(
            self.grey.rotate(degrees, expand=True),
            self.ground,
            self.picture.turned(degrees),
        )

    def busiest(self, side: int) -> Image.Image:
        """Return the part with the most contrast, at most this wide and high."""
        levels = np.asarray(self.grey)
        away = np.abs(levels.astype(np.float32) - self.ground)  # (H, W)
        top = fullest(away.sum(axis=1), side)
        rows = slice(top, top + side)
        left = fullest(away[rows].sum(axis=0), side)
        part = levels[rows, left : left + side]
        return Image.fromarray(part)

    def strip(self, line: LineBox, height: int, stretch: float = 1.0) -> Strip:
        """Cut out a line, level and scaled to this height; stretch it in length.

        Outside the image is ground.
        """
        missing = max(0.0, NARROWEST * line.height - line.length)
        left = line.left - missing / 2
        right = line.right + missing / 2
        line = line._replace(left=left, right=right)
        width = max(1, round(stretch * height * line.length / line.height))
        grey, box = self.level(line)
        scaled = grey.resize((width, height), Image.Resampling.LANCZOS, box)
        picture = self.picture
        place = affine(line, width, height)
        place[:, 2] += picture.left, picture.top
        size = picture.width, picture.height
        return Strip(np.asarray(scaled), picture.scale * place, size)

    def level(
        self, line: LineBox
    ) -> tuple[Image.Image, tuple[float, float, float, float]]:
        """Return an image in which a line is level, and its box there.

        The box has left, top, right and bottom.
        """
        if line.tilt:
            width = max(1, round(line.length))
            height = max(1, round(line.height))
            level = self.grey.transform(
                (width, height),
                Image.Transform.AFFINE,
                affine(line, width, height).ravel().tolist(),
                Image.Resampling.BILINEAR,
                fillcolor=self.ground,
            )
            return level, (0, 0, width, height)
        first = math.floor(line.left)
        above = math.floor(line.top)
        width = math.ceil(line.right) - first
        height = math.ceil(line.bottom) - above
        part = Image.new("L", (width, height), self.ground)
        part.paste(self.grey, (-first, -above))
        box = (
            line.left - first,
            line.top - above,
            line.right - first,
            line.bottom - above,
        )
        return part, box


def fullest(values: NDArray[np.float32], length: int) -> int:
    """Return where the part of this length with the largest sum begins.

    Its middle counts most.
    """
    window = np.hanning(min(length, len(values)) + 2)[1:-1]
    sums = np.convolve(values, window, "valid")
    return int(sums.argmax())


def side_of(size: tuple[int, int], pixels: int) -> int:
    """Return the longer side of a picture, downscaled to about so many pixels."""
    share = math.sqrt(pixels / math.prod(size))
    side = round(min(1.0, share) * max(size))
    return max(1, min(MAX_SIDE, side))


def whole_sheet(picture: Picture) -> Sheet:
    """Make a picture grey, at the resolution at which it is read as one line."""
    side = side_of(picture.image.size, LINE_PIXELS)
    return Sheet.of(picture.reduced(side))


def whole_strip(sheet: Sheet, height: int, stretch: float = 1.0) -> Strip | None:
    """Cut out the whole picture as one line of this height, if its shape allows it.

    The sheet is from `whole_sheet`.
    """
    line = LineBox(0, sheet.grey.height, 0, sheet.grey.width)
    is_line = MIN_SHAPE <= line.length / line.height <= MAX_SHAPE
    return sheet.strip(line, height, stretch) if is_line else None


def clean_strip(sheet: Sheet, height: int) -> Strip | None:
    """Cut out the whole picture without printed lines, if it has some."""
    clean = without_printed_lines(sheet)
    return whole_strip(clean, height) if clean else None


# Ways to cut out a whole picture, the most common one first.
WHOLE_STRIPS: tuple[WholeStrip, ...] = (
    whole_strip,
    partial(whole_strip, stretch=WIDER),
    clean_strip,
)


def strip_around(picture: Picture, box: PixelBox, height: int) -> Strip:
    """Cut out a digit and what is around it: a tight picture as a whole.

    Parameters
    ----------
    picture : Picture
        The picture.
    box : PixelBox
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
    digit_length = max(bottom - top, right - left)
    tall = min(sheet.grey.height, AROUND * digit_length)
    wide = min(sheet.grey.width, WIDEST * tall)
    above = centred(top + bottom, tall, sheet.grey.height)
    first = centred(left + right, wide, sheet.grey.width)
    around = LineBox(above, above + tall, first, first + wide)
    return sheet.strip(around, height)


def centred(ends: float, length: float, room: float) -> float:
    """Return where a part of this length begins within a room.

    It is centred between two ends that add up to `ends`, if there is room.
    """
    begin = (ends - length) / 2
    return min(max(begin, 0), room - length)


def small_pieces(sheet: Sheet, height: float) -> int:
    """Count the pieces of ink that may be writing, but are at most so high."""
    factor = reduction(sheet.grey, PIECE_PIXELS)
    view = next(views(sheet.grey.reduce(factor)), None)
    if view is None:
        return 0
    found = Components.of(view.ink, LEVEL)
    heights = factor * (found.ends - found.starts)[1:, 0]
    return int(np.count_nonzero((heights >= LOWEST) & (heights <= height)))


def reduction(grey: Image.Image, pixels: int) -> int:
    """Return by how much an image is reduced to about so many pixels, if larger."""
    return max(1, round(math.sqrt(grey.width * grey.height / pixels)))


def without_printed_lines(sheet: Sheet) -> Sheet | None:
    """Paint over printed lines, such as those of a form; None if there are none."""
    grey = sheet.grey
    factor = reduction(grey, INK_PIXELS)
    view = next(views(grey.reduce(factor)), None)
    if view is None:
        return None
    erased = ink_without_printed_lines(view.ink, LEVEL)
    if erased is None:
        return None
    height, width = view.ink.shape
    printed = Image.fromarray(grown(view.ink > erased))
    mask = printed.resize((factor * width, factor * height))
    corner = factor * view.left, factor * view.top
    clean = grey.copy()
    clean.paste(sheet.ground, corner, mask)
    return sheet._replace(grey=clean)


def affine(line: LineBox, width: int, height: int) -> Floats:
    """Return the map (2, 3) from a line's cut-out of this size to the image."""
    cos = math.cos(line.tilt)
    sin = math.sin(line.tilt)
    rotation = np.array([[cos, -sin], [sin, cos]])
    scale = line.length / width, line.height / height
    corner = rotation @ [line.left, line.top]
    return np.column_stack([rotation * scale, corner])
