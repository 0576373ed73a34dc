"""Measure how well real MNIST digits are read out of the kinds of pictures that people send.

    python benchmarks/robustness.py [--split validation|test] [--n 500] [--scene NAME ...]

Each scene draws a digit into a picture file: on a sheet, in a photo, in a form. The file goes through
`frame_from_bytes` and the classifier, and a Markdown table says how often the answer is wrong. A picture
that is refused counts as wrong. Every scene also leaves a contact sheet (picture, ink map and frame, wrong
ones first) in `--sheets`. Seeded: a picture depends on the seed, its scene and its place alone.

The pictures are synthetic: strokes are MNIST's, enlarged or redrawn along their centre lines with another
pen. Ignores: several digits to read, glare, motion blur, other people's handwriting. Needs the extra
`training` (torch, matplotlib).
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zlib import crc32

import cc3d
import numpy as np
from matplotlib.figure import Figure
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from PIL import ExifTags, Image, ImageDraw, ImageFilter

from app.classifier import Classifier
from app.preprocess.decode import decode
from app.preprocess.errors import PreprocessError
from app.preprocess.ink import ink_map
from app.preprocess.pipeline import frame_from_bytes
from training import data

ROOT = Path(__file__).parent.parent
NEIGHBOURS = Image.open(ROOT / "tests" / "data" / "mnist_500.png")
MAX_PIXELS = 50_000_000
EXAMPLES = 12
LARGE_DIGITS = 60  # a 12-megapixel picture takes half a second to draw

# Strokes are worked out at this many cells to an MNIST pixel, then drawn at any size.
CELLS = 6
# MNIST's ink at a stroke's outline. Below a half, for the thinnest strokes never reach full ink.
OUTLINE = 0.4
# Light and folds are smooth: they are worked out at this fraction of the picture's side.
COARSE = 4

Map = NDArray[np.float32]
Size = tuple[int, int]
Point = tuple[float, float]
Digit = NDArray[np.uint8]
Scene = Callable[[Digit, Generator], bytes]


# Strokes: where the ink of a digit is, at any size


@dataclass(frozen=True)
class Strokes:
    """A digit's strokes.

    Attributes
    ----------
    field : Map
        Distance to the strokes' outline in cells, positive inside.
    """

    field: Map

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The ink's left, top, right and bottom, in cells."""
        rows, columns = (np.flatnonzero((self.field > 0).any(axis=axis)) for axis in (1, 0))
        return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1

    def extent(self, height: float) -> NDArray[np.float64]:
        """Width and height in pixels of the digit drawn `height` pixels tall."""
        left, top, right, bottom = self.box
        return np.array([right - left, bottom - top]) * (height / (bottom - top))


def enlarged(digit: Digit) -> Map:
    """MNIST's ink in cells, less OUTLINE: its small holes opened, its pixels smoothed away."""
    image = Image.fromarray(digit).resize((28 * CELLS, 28 * CELLS), Image.Resampling.BICUBIC)
    image = image.filter(ImageFilter.UnsharpMask(1.2 * CELLS, percent=200, threshold=0))
    level = np.asarray(image.filter(ImageFilter.GaussianBlur(0.5 * CELLS)), np.float32) / 255
    return level - min(OUTLINE, 0.6 * level.max())


def felt(digit: Digit) -> Strokes:
    """MNIST's own strokes, with a crisp outline."""
    level = enlarged(digit)
    slope = np.hypot(*np.gradient(level))
    return Strokes((level / slope.clip(min=0.01)).clip(-3, 3))


def pen(digit: Digit, width: float) -> Strokes:
    """The digit written again with a round pen, `width` times as wide as the digit is high.

    Loops that ran full of ink stay full: along their centre line alone an 8 would be a 6.
    """
    ink = enlarged(digit) > 0
    line, depth = thinned(ink), distance(~ink)
    trace = width * tallness(ink) / 2 - smooth(distance(line))
    return Strokes(np.maximum(trace, smooth(depth) - 1.15 * np.median(depth[line])))


def marker(digit: Digit, width: float) -> Strokes:
    """The digit with strokes about `width` times its height, but no wider than leaves holes and gaps open."""
    ink = enlarged(digit) > 0
    away, height = smooth(distance(ink) - distance(~ink)), tallness(ink)
    wider = max(0, (width * height - ink.sum() / thinned(ink).sum()) / 2)
    for radius in wider * np.linspace(1, 0, 12):
        if grounds(away > radius + 0.03 * height) == grounds(~ink):
            break
    return Strokes(radius - away)


def tallness(ink: NDArray[np.bool_]) -> int:
    """How many rows the ink covers."""
    return int(np.ptp(np.flatnonzero(ink.any(axis=1)))) + 1


def grounds(ground: NDArray[np.bool_]) -> int:
    """Into how many pieces the ink divides the ground."""
    return int(cc3d.connected_components(ground, connectivity=4, return_N=True)[1])


def thinned(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The centre lines of strokes (Zhang and Suen 1984)."""
    ink, last = np.pad(ink, 1), None
    while last is None or (ink != last).any():
        last = ink
        for first, second in [((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))]:
            around = ring(ink)
            count = np.sum(around, axis=0)
            entries = np.sum([~a & b for a, b in zip(around, [*around[1:], around[0]], strict=True)], axis=0)
            kept = np.logical_and.reduce([around[k] for k in first]) | np.logical_and.reduce(
                [around[k] for k in second]
            )
            ink = ink & ~((count >= 2) & (count <= 6) & (entries == 1) & ~kept)
    return ink[1:-1, 1:-1]


def ring(ink: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Each cell's eight neighbours, clockwise from above."""
    steps = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
    return [np.roll(ink, (-down, -right), axis=(0, 1)) for down, right in steps]


def distance(ink: NDArray[np.bool_]) -> Map:
    """Each cell's distance to the nearest ink."""
    rows, columns = (np.arange(side, dtype=np.float32) for side in ink.shape)
    edge = ink & ~np.logical_and.reduce(ring(ink))
    far = np.where(ink, np.float32(0), np.float32(np.inf))
    for row in np.flatnonzero(edge.any(axis=1)):
        across = np.abs(columns - np.flatnonzero(edge[row])[:, None]).min(axis=0)
        np.minimum(far, across**2 + (rows[:, None] - row) ** 2, out=far)
    return np.sqrt(far)


def smooth(field: Map) -> Map:
    """A field averaged over 5 × 5 cells, for outlines without steps."""
    for axis in (0, 1):
        field = sum(np.roll(field, k, axis) for k in range(-2, 3)) / np.float32(5)
    return field


def handwriting(digit: Digit, rng: Generator) -> Strokes:
    """Whatever people write with: a felt pen or a ball pen."""
    return felt(digit) if rng.random() < 0.4 else pen(digit, 1 / rng.uniform(10, 18))


# Pictures: (H, W, 3) float32, white = 255, and masks and shades: (H, W) float32


def stamp(
    size: Size, strokes: Strokes, height: float, centre: Point, camera: ArrayLike = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
) -> Map:
    """A mask of the strokes: `height` and `centre` on the sheet, which the camera maps pixels to."""
    left, top, right, bottom = strokes.box
    scale = (bottom - top) / height
    shift = (left + right) / 2 - scale * centre[0], (top + bottom) / 2 - scale * centre[1]
    onto = np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]]) @ np.asarray(camera)
    field = Image.fromarray(strokes.field).transform(
        size, Image.Transform.PERSPECTIVE, (onto / onto[2, 2]).ravel()[:8], Image.Resampling.BICUBIC, fillcolor=-99
    )
    return (0.5 + np.asarray(field) / np.float32(scale)).clip(0, 1)


def spot(rng: Generator, size: Size, extent: NDArray[np.float64], margin: float = 0) -> Point:
    """A centre anywhere that leaves something of this extent whole, with a margin, in a picture of this size."""
    least = extent / 2 + margin
    return pair(rng.uniform(least, np.maximum(np.asarray(size) - least, least + 1e-6)))


def pair(values: NDArray[np.float64]) -> Point:
    """Two numbers out of an array."""
    return float(values[0]), float(values[1])


def whole(values: NDArray[np.float64]) -> Size:
    """Two numbers out of an array, rounded down."""
    return int(values[0]), int(values[1])


def size_of(picture: Map) -> Size:
    """A picture's width and height."""
    return picture.shape[1], picture.shape[0]


def plain(size: Size, colour: ArrayLike) -> Map:
    """A picture of one colour."""
    return np.full((size[1], size[0], 3), colour, np.float32)


def paint(picture: Map, mask: Map, colour: ArrayLike) -> Map:
    """Lay a colour over the picture, in place, where the mask is."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if len(rows):
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        picture[box] += mask[box][..., None] * (np.asarray(colour, np.float32) - picture[box])
    return picture


def noise(rng: Generator, size: Size, sigma: float) -> Map:
    """Grain, (H, W, 1); one tile is repeated, for random numbers are slow."""
    tile = rng.normal(0, sigma, (320, 320, 1)).astype(np.float32)
    return np.tile(tile, (size[1] // 320 + 1, size[0] // 320 + 1, 1))[: size[1], : size[0]]


def clouds(rng: Generator, size: Size, across: int, down: int) -> Map:
    """Smooth random waves around 0, about 1 high: so many across the picture and down it."""
    return resized(rng.normal(0, 1, (down + 1, across + 1)).astype(np.float32), size)


def resized(field: Map, size: Size) -> Map:
    """A map at another size."""
    return np.asarray(Image.fromarray(field).resize(size, Image.Resampling.BICUBIC))


def blurred(mask: Image.Image, radius: float) -> Map:
    """An 8-bit mask out of focus, in [0, 1]."""
    return np.asarray(mask.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def coarse(size: Size) -> Size:
    """The size at which smooth things are worked out."""
    return -(-size[0] // COARSE), -(-size[1] // COARSE)


def positions(size: Size) -> tuple[Map, Map]:
    """x (1, W) and y (H, 1) of a coarse map's cells, in pixels of the picture."""
    x, y = (np.arange(0, side, COARSE, dtype=np.float32) for side in size)
    return x[None], y[:, None]


def rise(value: Map) -> Map:
    """From 0 to 1 as the value goes from -1 to 1, without corners."""
    share = (value / 2 + 0.5).clip(0, 1)
    return share * share * (3 - 2 * share)


def across(size: Size, angle: float) -> Map:
    """A coarse map that grows along a direction, from -1 to 1 over the picture's longer side."""
    x, y = positions(size)
    return ((x - size[0] / 2) * np.cos(angle) + (y - size[1] / 2) * np.sin(angle)) * (2 / max(size))


def lit(rng: Generator, size: Size, fall: float) -> Map:
    """Light from one side that falls off by at most `fall`."""
    light = 1 - rng.uniform(0.3, 1) * fall * rise(across(size, rng.uniform(0, 2 * np.pi)))
    return resized(light.astype(np.float32), size)


def cast_shadow(rng: Generator, size: Size) -> Map:
    """Light that something off the sheet keeps away from a part of it; the edge bends, and is fairly hard."""
    angle = rng.uniform(0, 2 * np.pi)
    bend = rng.uniform(-0.8, 0.8) * across(size, angle + np.pi / 2) ** 2
    side = across(size, angle) + bend - rng.uniform(-0.4, 0.4)
    side = side + 0.025 * clouds(rng, size_of(side), 3, 3)
    light = 1 - rng.uniform(0.2, 0.5) * rise(side / rng.uniform(0.015, 0.08))
    return resized(light.astype(np.float32), size)


def folds(rng: Generator, size: Size, count: int) -> Map:
    """Light on creased paper, around 0: from each crease it fades away on both sides, lighter and darker."""
    light = np.zeros(coarse(size)[::-1], np.float32)
    bent = 0.012 * clouds(rng, size_of(light), 5, 5)
    for angle in rng.uniform(0, 2 * np.pi, count):
        shift, reach, strength = rng.uniform(-0.9, 0.9), rng.uniform(0.03, 0.3), rng.uniform(-1, 1, 2)
        along = across(size, angle + np.pi / 2) - rng.uniform(-0.7, 0.7)
        off = across(size, angle) - shift + bent
        slope = strength[0] + (strength[1] - strength[0]) * rise(off * max(size) / (1.5 * COARSE))
        light += slope * np.exp(-np.abs(off) / reach - (along / rng.uniform(0.2, 0.8)) ** 2)
    return resized(light.astype(np.float32), size)


def lines(size: Size, spacing: float, width: float, angle: float, start: float) -> Map:
    """A mask of parallel lines."""
    x, y = np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32)[:, None]
    along = (y * np.cos(angle) + x * np.sin(angle) + start) % np.float32(spacing)
    return (width / 2 + 0.5 - np.abs(along - spacing / 2)).clip(0, min(1, width)).astype(np.float32)


def off_white(rng: Generator) -> NDArray[np.float64]:
    """The colour of some paper."""
    return rng.uniform(228, 250) - np.array([0, 1, 2]) * rng.uniform(0, 5)


def ink_colour(rng: Generator) -> NDArray[np.float64]:
    """The colour of some black or blue pen."""
    if rng.random() < 0.5:
        return rng.uniform(15, 50) + rng.uniform(-5, 5, 3)
    return rng.uniform((15, 25, 100), (50, 70, 170))


# Files


def png(picture: Map | Image.Image) -> bytes:
    """A PNG file."""
    file = BytesIO()
    image = picture if isinstance(picture, Image.Image) else to_image(picture)
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def to_image(picture: Map) -> Image.Image:
    """A picture in 8 bits."""
    return Image.fromarray(np.clip(picture + np.float32(0.5), 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int, orientation: int = 1) -> bytes:
    """A JPEG file, its pixels stored turned as its EXIF orientation says."""
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    exif, file = Image.Exif(), BytesIO()
    exif[ExifTags.Base.Orientation] = orientation
    stored = image.transpose(turn[orientation]) if orientation in turn else image
    stored.save(file, "JPEG", quality=quality, exif=exif)
    return file.getvalue()


def sensed(rng: Generator, picture: Map, blur: float, sigma: float, zoom: int = 1) -> Image.Image:
    """A picture as a camera or scanner takes it: a little out of focus, and noisy."""
    image = to_image(picture).filter(ImageFilter.BoxBlur(blur))
    if zoom > 1:
        image = image.resize((image.width * zoom, image.height * zoom), Image.Resampling.BICUBIC)
    levels = np.asarray(image).astype(np.int16)
    levels += noise(rng, image.size, sigma).round().astype(np.int16)
    return Image.fromarray(levels.clip(0, 255, out=levels).astype(np.uint8))


def scanned(rng: Generator, paper: Map, sigma: float = 2) -> bytes:
    """A sheet in nearly even light, as a JPEG."""
    size = size_of(paper)
    return jpeg(sensed(rng, paper * lit(rng, size, 0.12)[..., None], rng.uniform(0.3, 0.8), sigma), 80)


# Scenes: a digit → a picture file


def clean(digit: Digit, rng: Generator) -> bytes:
    """MNIST itself."""
    return png(Image.fromarray(digit))


def canvas(digit: Digit, rng: Generator) -> bytes:
    """Black on a large white canvas, anywhere on it."""
    width, height = rng.integers(600, 1601, 2)
    return on_white(rng, felt(digit), (int(width), int(height)), rng.uniform(80, 400))


def on_white(rng: Generator, strokes: Strokes, size: Size, height: float) -> bytes:
    """Nearly black strokes anywhere on white."""
    ink = stamp(size, strokes, height, spot(rng, size, strokes.extent(height), 4))
    return png(255 - ink * np.float32(rng.uniform(205, 255)))


def around(rng: Generator, strokes: Strokes, height: float, least: float, most: float) -> Size:
    """The size of a picture with so many times the digit's height of room in all, across and down."""
    return whole(strokes.extent(height) + rng.uniform(least, most, 2) * height)


def thin_pen(digit: Digit, rng: Generator) -> bytes:
    """A fine pen on white."""
    strokes, height = pen(digit, 1 / rng.uniform(15, 25)), rng.uniform(150, 500)
    return on_white(rng, strokes, around(rng, strokes, height, 0.3, 1.8), height)


def thick_marker(digit: Digit, rng: Generator) -> bytes:
    """A broad marker on white."""
    strokes, height = marker(digit, 1 / rng.uniform(4.5, 6.5)), rng.uniform(150, 500)
    return on_white(rng, strokes, around(rng, strokes, height, 0.3, 1.8), height)


def drawn(digit: Digit, rng: Generator) -> Map:
    """A mask of the digit anywhere on a canvas of middling size."""
    strokes, height = handwriting(digit, rng), rng.uniform(120, 350)
    size = around(rng, strokes, height, 0.3, 2)
    return stamp(size, strokes, height, spot(rng, size, strokes.extent(height), 4))


def white_on_black(digit: Digit, rng: Generator) -> bytes:
    """White on black, as drawn on a screen."""
    return png(drawn(digit, rng) * np.float32(255))


def colours(digit: Digit, rng: Generator) -> bytes:
    """One colour on another that differs clearly in some channel; in a third of the pictures as bright."""
    pairs = rng.integers(0, 256, (4000, 2, 3)).astype(float)
    difference = pairs[:, 0] - pairs[:, 1]
    fit = np.abs(difference).max(axis=1) >= 90
    if rng.random() < 1 / 3:
        fit &= np.abs(difference @ (0.299, 0.587, 0.114)) < 6
    paper, ink = pairs[np.flatnonzero(fit)[0]]
    mask = drawn(digit, rng)
    return png(paint(plain(size_of(mask), paper), mask, ink))


def see_through(digit: Digit, rng: Generator, level: int) -> bytes:
    """Ink of one level on nothing; half of the pictures have hard edges."""
    mask = drawn(digit, rng)
    if rng.random() < 0.5:
        mask = mask.round()
    image = Image.new("RGBA", size_of(mask), (level, level, level))
    image.putalpha(to_image(mask * 255))
    return png(image)


def transparent_black(digit: Digit, rng: Generator) -> bytes:
    """Black on a transparent ground."""
    return see_through(digit, rng, 0)


def transparent_white(digit: Digit, rng: Generator) -> bytes:
    """White on a transparent ground."""
    return see_through(digit, rng, 255)


def phone_photo(digit: Digit, rng: Generator) -> bytes:
    """A phone's photo of a sheet on a desk, in uneven light."""
    side = int(rng.integers(900, 1601))
    return photo(digit, rng, (side, side * 3 // 4), rng.uniform(0.15, 0.5), zoom=1)


def twelve_megapixels(digit: Digit, rng: Generator) -> bytes:
    """The same from a camera with 4000 × 3000 pixels; drawn at half of it, for such pixels are soft."""
    return photo(digit, rng, (2000, 1500), rng.uniform(400, 1500) / 3000, zoom=2)


def photo(digit: Digit, rng: Generator, size: Size, share: float, zoom: int) -> bytes:
    """A photo in which the digit covers a share of the shorter side."""
    size = size if rng.random() < 0.5 else size[::-1]
    strokes, camera, bounds = handwriting(digit, rng), tilted_camera(rng, size), sheet_bounds(rng, size)
    height = min(share * min(size), 0.7 * (bounds[2:] - bounds[:2]).min() / (strokes.extent(1).max()))
    picture = sheet_on_desk(rng, size, bounds, camera)
    inside = np.clip(bounds, 0, (*size, *size))
    room = (inside[2] - inside[0], inside[3] - inside[1])
    x, y = spot(rng, room, strokes.extent(height), 0.07 * min(size))
    ink = stamp(size, strokes, height, (x + inside[0], y + inside[1]), camera)
    ink *= 0.96 + 0.04 * clouds(rng, size, 20, 20).clip(-1, 1)
    light = lit(rng, size, 0.45) * cast_shadow(rng, size)
    picture = paint(picture, ink, ink_colour(rng))
    picture *= light[..., None]
    image = sensed(rng, picture, rng.uniform(0.5, 1.3), rng.uniform(1.5, 5), zoom)
    return jpeg(image, 60, int(rng.choice([1, 3, 6, 8])))


def tilted_camera(rng: Generator, size: Size) -> NDArray[np.float64]:
    """Picture → sheet: turned by up to 6° and seen a little from the side."""
    x, y = size[0] / 2, size[1] / 2
    angle = np.radians(rng.uniform(-6, 6))
    lean = rng.uniform(-0.12, 0.12, 2) / max(size)
    turn = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [*lean, 1]]
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]]) @ turn @ [[1, 0, -x], [0, 1, -y], [0, 0, 1]]


def sheet_bounds(rng: Generator, size: Size) -> NDArray[np.float64]:
    """The sheet's left, top, right and bottom: one or two of them are in the picture."""
    bounds = np.array([-1, -1, 2, 2]) * np.array([*size, *size], float)
    for side in rng.choice(4, rng.integers(1, 3), replace=False):
        inset = rng.uniform(0.08, 0.22) * size[side % 2]
        bounds[side] = inset if side < 2 else size[side % 2] - inset
    return bounds


def sheet_on_desk(rng: Generator, size: Size, bounds: NDArray[np.float64], camera: NDArray[np.float64]) -> Map:
    """A sheet of paper on a desk, and the thin shadow that it throws."""
    left, top, right, bottom = bounds
    corners = np.linalg.inv(camera) @ [[left, right, right, left], [top, top, bottom, bottom], [1, 1, 1, 1]]
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in (corners[:2] / corners[2]).T], fill=255)
    shadow = blurred(mask.resize(coarse(size)), rng.uniform(0.004, 0.015) * max(size) / COARSE)
    ground = desk(rng, coarse(size)) * (1 - rng.uniform(0.3, 0.8) * shadow)[..., None]
    image = to_image(ground).resize(size, Image.Resampling.BICUBIC)
    image.paste(tuple(int(level) for level in off_white(rng)), mask=mask)
    picture = np.asarray(image).astype(np.float32)
    picture += noise(rng, size, rng.uniform(0.5, 2.5))
    return picture


def desk(rng: Generator, size: Size) -> Map:
    """A dark, a light or a wooden desk."""
    kind = rng.choice(["dark", "light", "wood"])
    if kind == "wood":
        streaks = 1 + 0.1 * clouds(rng, size, 2, 50) + 0.07 * clouds(rng, size, 3, 15)
        brown = np.array([1, rng.uniform(0.68, 0.8), rng.uniform(0.4, 0.55)]) * rng.uniform(90, 200)
        return plain(size, brown) * streaks[..., None]
    level = rng.uniform(20, 65) if kind == "dark" else rng.uniform(150, 205)
    return plain(size, level + rng.uniform(-6, 6, 3)) * (1 + 0.04 * clouds(rng, size, 40, 40))[..., None]


def crumpled(digit: Digit, rng: Generator) -> bytes:
    """A sheet that was crumpled and smoothed again."""
    paper = sheet(digit, rng)[0]
    size = size_of(paper)
    light = folds(rng, size, 30) + 0.4 * clouds(rng, size, 3, 3)
    light *= rng.uniform(0.12, 0.25) / np.abs(light).max()
    return scanned(rng, paper * (0.95 + light)[..., None], 3)


def sheet(digit: Digit, rng: Generator, rule: Callable[[Size, float], Map] | None = None) -> tuple[Map, float]:
    """A digit written on a sheet of paper that fills the picture, and its height; `rule` prints lines first."""
    strokes, height = handwriting(digit, rng), rng.uniform(120, 350)
    size = around(rng, strokes, height, 0.5, 2.2)
    paper = plain(size, off_white(rng)) + noise(rng, size, rng.uniform(0.5, 2))
    if rule is not None:
        shade = np.array([rng.uniform(130, 190), rng.uniform(165, 200), rng.uniform(195, 225)])
        shade = shade if rng.random() < 0.6 else np.full(3, rng.uniform(150, 195))
        paper = paint(paper, rule(size, height), shade)
    ink = stamp(size, strokes, height, spot(rng, size, strokes.extent(height), 0.1 * height))
    return paint(paper, ink, ink_colour(rng)), height


def ruled(digit: Digit, rng: Generator) -> bytes:
    """Ruled paper, the lines anywhere behind the digit."""
    angle = np.radians(rng.uniform(-2, 2))

    def rule(size: Size, height: float) -> Map:
        spacing = rng.uniform(0.6, 1.2) * height
        return lines(size, spacing, rng.uniform(0.008, 0.02) * spacing + 0.5, angle, rng.uniform(0, spacing))

    return scanned(rng, sheet(digit, rng, rule)[0])


def squared(digit: Digit, rng: Generator) -> bytes:
    """Squared paper, two to four squares to the digit's height."""
    angle = np.radians(rng.uniform(-2, 2))

    def rule(size: Size, height: float) -> Map:
        spacing = rng.uniform(0.25, 0.5) * height
        width = rng.uniform(0.015, 0.03) * spacing + 0.5
        rows = lines(size, spacing, width, angle, rng.uniform(0, spacing))
        return np.maximum(rows, lines(size, spacing, width, angle + np.pi / 2, rng.uniform(0, spacing)))

    return scanned(rng, sheet(digit, rng, rule)[0])


def printed_box(digit: Digit, rng: Generator) -> bytes:
    """A form's box around the digit, sometimes with its neighbours' edges."""
    strokes, height = handwriting(digit, rng), rng.uniform(100, 300)
    inner, outer = rng.uniform(0.08, 0.4, (2, 2)) * height, rng.uniform(0.06, 0.3, (2, 2)) * height
    extent = strokes.extent(height)
    size = whole(extent + inner.sum(axis=0) + outer.sum(axis=0))
    paper = off_white(rng)
    form = to_image(paint(plain(size, paper), boxes(rng, size, outer, height), np.full(3, rng.uniform(10, 90))))
    ink = stamp(size, strokes, height, pair(outer[0] + inner[0] + extent / 2))
    picture = to_image(paint(np.asarray(form).astype(np.float32), ink, ink_colour(rng)))
    ground = tuple(int(level) for level in paper)
    picture = picture.rotate(rng.uniform(-1.5, 1.5), Image.Resampling.BICUBIC, fillcolor=ground)
    return scanned(rng, np.asarray(picture, np.float32))


def boxes(rng: Generator, size: Size, margin: NDArray[np.float64], height: float) -> Map:
    """A mask of a rectangle with margins (left and top, right and bottom), half of the time one in a row of them."""
    mask = Image.new("L", size)
    (left, top), (right, bottom) = margin[0], np.asarray(size) - margin[1]
    width = max(2, round(rng.uniform(0.01, 0.035) * height))
    step = right - left + rng.uniform(0, 0.2) * height
    for shift in (-step, 0, step) if rng.random() < 0.5 else (0,):
        ImageDraw.Draw(mask).rectangle((left + shift, top, right + shift, bottom), outline=255, width=width)
    return np.asarray(mask, np.float32) / 255


def pencil(digit: Digit, rng: Generator) -> bytes:
    """A hard pencil's thin grey strokes on grainy paper."""
    strokes, height = pen(digit, 1 / rng.uniform(15, 25)), rng.uniform(150, 400)
    size = around(rng, strokes, height, 0.4, 1.6)
    ink = stamp(size, strokes, height, spot(rng, size, strokes.extent(height), 0.08 * height))
    paper = off_white(rng)
    grain = noise(rng, size, 0.25)[..., 0] + resized(noise(rng, coarse(size), 0.25)[..., 0], size)
    ink *= (0.85 + grain).clip(0.1, 1)
    picture = paint(plain(size, paper) + noise(rng, size, 2.5), ink, paper * (1 - rng.uniform(0.2, 0.35)))
    return scanned(rng, picture, rng.uniform(1, 3))


def specks(digit: Digit, rng: Generator) -> bytes:
    """A dirty sheet: dark specks, smudges, and the ring of a cup."""
    paper, height = sheet(digit, rng)
    size = size_of(paper)
    dirt = blobs(rng, size, int(rng.integers(40, 200)), 0.003 * height + 0.4, 0.014 * height + 0.4)
    paper = paper * (1 - rng.uniform(0.4, 0.85) * blurred(dirt, 0.6))[..., None]
    smudge = blurred(blobs(rng, size, int(rng.integers(1, 5)), 0.1 * height, 0.3 * height), 0.06 * height)
    paper = paper * (1 - rng.uniform(0.08, 0.18) * smudge * (1 + 0.3 * clouds(rng, size, 12, 12)))[..., None]
    if rng.random() < 0.6:
        paper = paper * (1 - ring_stain(rng, size, height)[..., None] * np.array([0.1, 0.18, 0.28], np.float32))
    return scanned(rng, paper)


def blobs(rng: Generator, size: Size, count: int, least: float, most: float) -> Image.Image:
    """A mask of ellipses with radii in a range, anywhere."""
    mask = Image.new("L", size)
    for _ in range(count):
        (x, y), (a, b) = rng.uniform(0, 1, 2) * size, rng.uniform(least, most, 2)
        ImageDraw.Draw(mask).ellipse((x - a, y - b, x + a, y + b), fill=255)
    return mask


def ring_stain(rng: Generator, size: Size, height: float) -> Map:
    """A mask of what a wet cup leaves: a ring with a sharp rim and a faint inside."""
    x, y = (np.arange(side, dtype=np.float32) for side in size)
    centre, radius = rng.uniform(0, 1, 2) * size, rng.uniform(0.5, 1) * height
    inside = radius - np.hypot(x - centre[0], (y - centre[1])[:, None]) + 0.015 * height * clouds(rng, size, 8, 8)
    rim = np.exp(-np.abs(inside) / (0.02 * height))
    return (rim + 0.25 * rise(inside / 3)) * (0.8 + 0.2 * clouds(rng, size, 6, 6).clip(-1, 1))


def cut_off_neighbours(digit: Digit, rng: Generator) -> bytes:
    """A digit out of a row or column: the picture's edges cut through one or two others."""
    strokes, height = handwriting(digit, rng), rng.uniform(120, 300)
    pads, seen = rng.uniform(0.3, 0.8, 4) * height, {}
    for side in rng.choice(4, rng.integers(1, 3), replace=False):
        other = handwriting(some_neighbour(rng), rng)
        seen[side] = other, rng.uniform(0.3, 0.65) * other.extent(height)[side % 2]
        pads[side] = seen[side][1] + rng.uniform(0.2, 0.5) * height
    extent = strokes.extent(height)
    centre = pads[:2] + extent / 2
    size = whole(pads[:2] + extent + pads[2:])
    ink = stamp(size, strokes, height, pair(centre))
    for side, (other, visible) in seen.items():
        place = centre + rng.uniform(-0.15, 0.15, 2) * height
        half = other.extent(height)[side % 2] / 2
        place[side % 2] = visible - half if side < 2 else size[side % 2] - visible + half
        ink = np.maximum(ink, stamp(size, other, height, pair(place)))
    return scanned(rng, paint(plain(size, off_white(rng)), ink, ink_colour(rng)))


def some_neighbour(rng: Generator) -> Digit:
    """Any of 500 other MNIST digits."""
    column, row = (28 * int(rng.integers(side // 28)) for side in NEIGHBOURS.size)
    return np.asarray(NEIGHBOURS.crop((column, row, column + 28, row + 28)))


SCENES: dict[str, Scene] = {
    "clean": clean,
    "large-canvas": canvas,
    "thin-pen": thin_pen,
    "thick-marker": thick_marker,
    "white-on-black": white_on_black,
    "colour-on-colour": colours,
    "transparent-black-ink": transparent_black,
    "transparent-white-ink": transparent_white,
    "phone-photo": phone_photo,
    "crumpled-paper": crumpled,
    "ruled-paper": ruled,
    "squared-paper": squared,
    "printed-box": printed_box,
    "faint-pencil": pencil,
    "specks-and-smudges": specks,
    "cut-off-neighbours": cut_off_neighbours,
    "12-megapixels": twelve_megapixels,
}


# Measurement


@dataclass(frozen=True)
class Result:
    """What was read in a scene.

    Attributes
    ----------
    read : list of int or None
        Each picture's answer; None where it was refused.
    wrong : NDArray
        Where the answer is not the label.
    milliseconds : float
        Median time from bytes to frame.
    """

    read: list[int | None]
    wrong: NDArray[np.bool_]
    milliseconds: float


def render(scene: str, digit: Digit, seed: int, index: int) -> bytes:
    """The picture of one digit in a scene."""
    return SCENES[scene](digit, np.random.default_rng([seed, crc32(scene.encode()), index]))


def measure(scene: str, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int, model: Classifier) -> Result:
    """Read every digit in a scene, one picture at a time."""
    read: list[int | None] = []
    times = []
    for index, digit in enumerate(images):
        picture = render(scene, digit, seed, index)
        start = time.perf_counter()
        try:
            frame = frame_from_bytes(picture, MAX_PIXELS)
        except PreprocessError:
            frame = None
        times.append(time.perf_counter() - start)
        read.append(None if frame is None else int(model(frame[None]).argmax()))
    wrong = np.array([answer != label for answer, label in zip(read, labels, strict=True)])
    return Result(read, wrong, 1000 * float(np.median(times)))


def steps(picture: bytes) -> Iterable[NDArray[np.generic]]:
    """A picture on grey, its ink map and its frame, as far as it gets."""
    blank = np.ones((28, 28), np.float32)
    try:
        image = decode(picture, MAX_PIXELS)
        thumbnail = image.convert("RGBA")
        thumbnail.thumbnail((300, 300))
        yield np.asarray(Image.alpha_composite(Image.new("RGBA", thumbnail.size, "#a0a0a0"), thumbnail))
        yield 1 - ink_map(image)
        yield 1 - frame_from_bytes(picture, MAX_PIXELS)
    except PreprocessError:
        yield blank


def contact_sheet(
    scene: str, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int, result: Result
) -> Figure:
    """A few pictures of a scene, wrong ones first, each over its ink map and frame."""
    chosen = np.argsort(~result.wrong, kind="stable")[:EXAMPLES]
    figure = Figure(figsize=(1.7 * EXAMPLES, 5.6), layout="constrained")
    grid = figure.subplots(3, EXAMPLES, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for column, index in zip(grid.T, chosen, strict=False):
        answer = "unread" if result.read[index] is None else result.read[index]
        column[0].set_title(f"{labels[index]}→{answer}", color="red" if result.wrong[index] else "black")
        for axes, step in zip(column, steps(render(scene, images[index], seed, index)), strict=False):
            axes.imshow(step, cmap="gray", vmin=0, vmax=1)
    return figure


def row(scene: str, result: Result, clean: Result) -> str:
    """A scene's line of the table."""
    count, errors, unread = len(result.wrong), int(result.wrong.sum()), result.read.count(None)
    error = 100 * errors / count
    more = error - 100 * clean.wrong[:count].mean()
    return f"| {scene} | {error:.1f} | {errors}/{count} | {unread} | {more:+.1f} | {result.milliseconds:.1f} |"


def chosen_digits(split: str, count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Some digits of a split and their labels, drawn without replacement."""
    digits = data.load(None, train=split == "validation")
    if split == "validation":
        _, digits = data.split(digits)
    order = np.random.default_rng(seed).permutation(len(digits))[:count]
    return digits.images.numpy()[order], digits.labels.numpy()[order]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure how well digits are read in synthetic scenes.")
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--n", type=int, default=500, help=f"digits to a scene; 12-megapixels: {LARGE_DIGITS} at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "digits.onnx")
    parser.add_argument("--sheets", type=Path, default=ROOT / "runs" / "robustness", help="folder for contact sheets")
    parser.add_argument("--scene", nargs="+", choices=SCENES, default=list(SCENES), metavar="NAME")
    return parser.parse_args()


def main() -> None:
    """Measure every scene asked for, and `clean` before them."""
    options = arguments()
    model = Classifier(options.model)
    images, labels = chosen_digits(options.split, options.n, options.seed)
    options.sheets.mkdir(parents=True, exist_ok=True)
    sys.stdout.write("| scene | error % | errors | unread | to clean, points | ms |\n|---|---|---|---|---|---|\n")
    results: dict[str, Result] = {}
    for scene in dict.fromkeys(["clean", *options.scene]):
        count = LARGE_DIGITS if scene == "12-megapixels" else options.n
        results[scene] = measure(scene, images[:count], labels[:count], options.seed, model)
        sys.stdout.write(row(scene, results[scene], results["clean"]) + "\n")
        sys.stdout.flush()
        figure = contact_sheet(scene, images, labels, options.seed, results[scene])
        figure.savefig(options.sheets / f"{scene}.png", dpi=75)


if __name__ == "__main__":
    main()
