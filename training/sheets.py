"""Turn ink into a picture file: on a canvas, on printed paper under a scanner, or photographed on a desk.

Ink, print and light are masks (H, W) float32 in [0, 1], ink = 1; pictures are (H, W, 3) float32, white = 255. A finish
takes ink on a sheet that fills the picture, the digits' height in pixels, and a random generator.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from PIL import ExifTags, Image, ImageFilter

from app.preprocess.maps import Map
from training.paper import levels, png, resized, to_image
from training.writing import Span, extent

Shape = tuple[int, int]
Finish = Callable[..., bytes]  # ink, the digits' height, a random generator → a file
Print = Callable[[Shape, float, Generator], Map]  # makes a map of this shape, for digits of this height
TURNS = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}  # by EXIF value
BRIGHTNESS = 0.299, 0.587, 0.114  # of red, green and blue


def on_canvas(ink: Map, _: float, rng: Generator, black: float = 0.0) -> bytes:
    """Draw in nearly black on white or, in a share of the pictures, in white on black."""
    return png(ink * np.float32(255) if rng.random() < black else 255 - ink * np.float32(rng.uniform(205, 255)))


def coloured(ink: Map, _: float, rng: Generator) -> bytes:
    """Draw in one colour on another that differs clearly in some channel; a third of the pairs are equally bright."""
    paper, pen, most = np.zeros(3), np.zeros(3), rng.choice([6, 255, 255])
    while np.abs(paper - pen).max() < 90 or abs((paper - pen) @ BRIGHTNESS) > most:
        paper, pen = rng.uniform(0, 255, (2, 3))
    return png(blended(np.full((*ink.shape, 3), paper, np.float32), ink, pen))


def transparent(ink: Map, _: float, rng: Generator, level: int) -> bytes:
    """Draw in one grey level on a transparent background; half of the pictures have hard edges."""
    image = Image.new("RGBA", ink.shape[::-1], (level, level, level))
    image.putalpha(to_image(255 * (ink.round() if rng.random() < 0.5 else ink)))
    return png(image)


def cut_out(ink: Map, _: float, rng: Generator, margins: tuple[int, ...] = (0, 1, 2)) -> bytes:
    """Crop to the ink, as another program would: dark or light, greyscale or binary."""
    mask = (ink > 0.4 * ink.max()).astype(np.float32) if rng.random() < 0.5 else ink
    mask = np.float32(255) * np.pad(mask[extent(mask, 0)], int(rng.choice(margins)))
    return png(mask if rng.random() < 0.5 else 255 - mask)


def daylight(shape: Shape, _: float, rng: Generator, most: float = 0.2) -> Map:
    """Light a sheet from one side."""
    light: Map = 1 - np.float32(rng.uniform(0.1, 0.5) * most) * (1 + slope(shape, rng))
    return light


def crumpled(shape: Shape, height: float, rng: Generator) -> Map:
    """Light a sheet that was crumpled and smoothed out again: it is lighter or darker beside creases."""
    small = shape[0] // 4, shape[1] // 4  # it is smooth
    creases = [np.abs(clouds(small, height / cell, rng)) for cell in (5, 5, 12, 12)]
    light = creases[0] - creases[1] + 0.5 * (creases[2] - creases[3])
    return resized(0.95 + rng.uniform(0.12, 0.25) * light / np.abs(light).max(), shape[::-1])


def dirty(shape: Shape, height: float, rng: Generator) -> Map:
    """Light a sheet with dark specks and smudges."""
    specks = (clouds(shape, max(2, 0.015 * height), rng) > rng.uniform(1.6, 2.2)) * rng.uniform(0.4, 0.85)
    smudges = (clouds(shape, 0.3 * height, rng) - 0.8).clip(0, 1) * np.float32(rng.uniform(0.08, 0.2))
    return daylight(shape, height, rng) * (1 - specks.astype(np.float32)) * (1 - smudges)


def patterned(shape: Shape, height: float, rng: Generator) -> Map:
    """Light tinted paper with a printed pattern of waves, such as that of a cheque."""
    waves = np.sin(clouds(shape, rng.uniform(0.3, 2) * height, rng) * np.float32(rng.uniform(3, 15)))
    light: Map = 1 - np.float32(rng.uniform(0.02, 0.18)) + waves * np.float32(rng.uniform(0.015, 0.06))
    return light


def ruled(spacing: Span, width: Span, directions: int = 1) -> Print:
    """Print parallel lines or, in two directions, a grid; spacing and width are in digit heights."""

    def lines(shape: Shape, height: float, rng: Generator) -> Map:
        angle, apart, broad = (
            np.radians(rng.uniform(-2, 2)),
            *(rng.uniform(*span) * height for span in (spacing, width)),
        )
        (y, x), mask = np.ogrid[: shape[0], : shape[1]], np.zeros(shape)
        for turn in (angle, angle + np.pi / 2)[:directions]:
            along = (y * np.cos(turn) + x * np.sin(turn) + rng.uniform(0, apart)) % apart
            mask = np.maximum(mask, (broad / 2 + 0.8 - np.abs(along - apart / 2)).clip(0, 1))
        return mask.astype(np.float32)

    return lines


def scanned(
    ink: Map,
    height: float,
    rng: Generator,
    printed: Print | None = None,
    grey: Span = (60, 190),
    pencil: Span | None = None,
    light: Print = daylight,
    is_binary: bool = False,
) -> bytes:
    """Scan ink on paper, perhaps printed on in a range of greys; a pencil has a range of contrasts to the paper."""
    sheet = rng.uniform(225, 250) + grain(ink.shape, rng.uniform(0.5, 2.5), rng)
    sheet = sheet - rng.uniform(0, 5) * np.arange(3, dtype=np.float32)  # a little yellow
    if printed is not None:
        sheet = blended(sheet, printed(ink.shape, height, rng), rng.uniform(*grey) + rng.uniform(0, 30, 3))
    if pencil:
        ink = ink * (0.85 + grain(ink.shape, 0.2, rng)[..., 0] + 0.2 * clouds(ink.shape, 4, rng)).clip(0.1, 1)
    sheet = blended(sheet, ink, 230 * (1 - rng.uniform(*pencil)) if pencil else ink_colour(rng))
    image = sensed(sheet * light(ink.shape, height, rng)[..., None], rng, 4)
    if not is_binary:
        return jpeg(image, 80)
    flipped = rng.random(ink.shape) < rng.choice([0, 0.003])
    return png(Image.fromarray((np.asarray(image.convert("L")) > rng.uniform(110, 190)) ^ flipped))


def photographed(ink: Map, height: float, rng: Generator, with_desk: bool = False, zoom: int = 1) -> bytes:
    """Photograph ink on a sheet in uneven light; one or two of the sheet's edges and the desk may be in view."""
    sheet = np.ones_like(ink)
    if with_desk:
        sides = np.roll([1, rng.integers(2), 0, 0], rng.integers(4)).reshape(2, 2)
        room, desk = (int(rng.uniform(*span) * max(ink.shape)) for span in ((0.03, 0.1), (0.1, 0.3)))
        angle, edge = rng.uniform(-6, 6), max(ink.shape) // 8
        masks = (np.pad(np.pad(np.pad(mask, room, "edge"), desk * sides), edge, "edge") for mask in (ink, sheet))
        ink, sheet = (turned(mask, angle, expand=False)[edge:-edge, edge:-edge] for mask in masks)
    table = rng.uniform((20, 15, 10), (200, 170, 140)) * (1 + 0.06 * clouds(ink.shape, 40, rng))[..., None]
    picture = blended(table, sheet, rng.uniform(225, 250) - np.array([0, 3, 6]) * rng.random())
    picture = blended(picture + grain(ink.shape, 1.5, rng), ink, ink_colour(rng))
    edge_of_shadow = (
        slope(ink.shape, rng) + rng.uniform(-0.8, 0.8) * slope(ink.shape, rng) ** 2 - rng.uniform(-0.4, 0.4)
    )
    shadow = np.float32(rng.uniform(0.2, 0.5)) * (0.5 + edge_of_shadow / rng.uniform(0.03, 0.15)).clip(0, 1)
    light = daylight(ink.shape, height, rng, 0.45) * (1 - shadow)
    return jpeg(sensed(picture * light[..., None], rng, 5, zoom), 60, int(rng.choice([1, *TURNS])))


def turned(mask: Map, angle: float, expand: bool = True) -> Map:
    """Turn a mask by an angle in degrees."""
    return levels(to_image(255 * mask).rotate(angle, Image.Resampling.BICUBIC, expand))


def slope(shape: Shape, rng: Generator) -> Map:
    """Make a gradient in a random direction, from -1 to 1 over the longer side."""
    angle, (down, across) = rng.uniform(0, 2 * np.pi), np.divide(shape, max(shape))
    y, x = np.ogrid[-down : down : shape[0] * 1j, -across : across : shape[1] * 1j]
    values: Map = (np.cos(angle) * x + np.sin(angle) * y).astype(np.float32)
    return values


def clouds(shape: Shape, cell: float, rng: Generator) -> Map:
    """Make smooth noise with mean 0 and amplitude about 1, from cells of this side in pixels."""
    coarse = int(shape[0] / cell) + 2, int(shape[1] / cell) + 2
    return resized(rng.standard_normal(coarse, np.float32), shape[::-1])


def grain(shape: Shape, sigma: float, rng: Generator) -> Map:
    """Make noise (H, W, 1)."""
    return rng.standard_normal((*shape, 1), np.float32) * np.float32(sigma)


def ink_colour(rng: Generator) -> NDArray[np.float64]:
    """Pick the colour of a black or blue pen."""
    return rng.uniform(15, 50, 3) if rng.random() < 0.5 else rng.uniform((15, 25, 100), (50, 70, 170))


def blended(picture: Map, mask: Map, colour: ArrayLike) -> Map:
    """Blend a colour into a picture by a mask."""
    return picture + mask[..., None] * (np.asarray(colour, np.float32) - picture)


def sensed(picture: Map, rng: Generator, noise: float, zoom: int = 1) -> Image.Image:
    """Capture a picture with a camera or scanner: slightly blurred, and noisy. Large photos are soft."""
    image = to_image(picture).filter(ImageFilter.BoxBlur(rng.uniform(0.3, 1.1)))
    image = image.resize((image.width * zoom, image.height * zoom), Image.Resampling.BICUBIC)
    return to_image(np.asarray(image) + grain((image.height, image.width), rng.uniform(0.25, 1) * noise, rng))


def jpeg(image: Image.Image, quality: int, orientation: int = 1) -> bytes:
    """Encode an image as a JPEG file, with its pixels stored as the EXIF orientation says."""
    exif, file = Image.Exif(), BytesIO()
    exif[ExifTags.Base.Orientation] = orientation
    stored = image.transpose(TURNS[orientation]) if orientation in TURNS else image
    stored.save(file, "JPEG", quality=quality, exif=exif)
    return file.getvalue()
