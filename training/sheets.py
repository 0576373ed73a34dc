"""Turn ink into a picture file: on a canvas, on paper under a scanner, or photographed
on a desk.

Ink and light are masks (H, W) float32 in [0, 1], ink = 1; pictures are (H, W, 3)
float32, white = 255. A finish takes ink that fills the picture, the digits' height in
pixels, and a random generator.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from PIL import Image, ImageFilter

from app.picture.maps import Map
from training.drawing import extent, levels, png, resized, to_image

Shape = tuple[int, int]
Finish = Callable[[Map, float, Generator], bytes]
# Lights a sheet of this shape, with digits of this height.
Light = Callable[[Shape, float, Generator], Map]
BRIGHTNESS = 0.299, 0.587, 0.114  # of red, green and blue


def on_canvas(ink: Map, _: float, rng: Generator, black: float = 0.0) -> bytes:
    """Draw in nearly black on white or, in a share of the pictures, in white on black."""
    return png(
        ink * np.float32(255)
        if rng.random() < black
        else 255 - ink * np.float32(rng.uniform(205, 255))
    )


def coloured(ink: Map, _: float, rng: Generator) -> bytes:
    """Draw in one colour on another that differs clearly in some channel; a third of
    the pairs are equally bright.
    """
    paper, pen, most = np.zeros(3), np.zeros(3), rng.choice([6, 255, 255])
    while np.abs(paper - pen).max() < 90 or abs((paper - pen) @ BRIGHTNESS) > most:
        paper, pen = rng.uniform(0, 255, (2, 3))
    return png(blended(paper, ink, pen))


def transparent(ink: Map, _: float, rng: Generator) -> bytes:
    """Draw in black or white on a transparent background; half of the pictures have
    hard edges.
    """
    image = Image.new("RGBA", ink.shape[::-1], str(rng.choice(["black", "white"])))
    image.putalpha(to_image(255 * (ink.round() if rng.random() < 0.5 else ink)))
    return png(image)


def cut_out(
    ink: Map, height: float, rng: Generator, margins: tuple[int, ...] = (0, 1, 2)
) -> bytes:
    """Crop to the ink, as another program would: dark or light, greyscale or binary."""
    mask = ink.round() if rng.random() < 0.5 else ink
    return on_canvas(
        np.pad(mask[extent(mask, 0)], int(rng.choice(margins))), height, rng, black=0.5
    )


def daylight(shape: Shape, _: float, rng: Generator, most: float = 0.2) -> Map:
    """Light a sheet from one side."""
    return np.float32(1) - np.float32(rng.uniform(0.1, 0.5) * most) * (
        1 + slope(shape, rng)
    )


def shadowed(shape: Shape, height: float, rng: Generator) -> Map:
    """Light a sheet unevenly, with the shadow of a hand or a phone, which has a curved
    edge.
    """
    edge = (
        slope(shape, rng)
        + rng.uniform(-0.8, 0.8) * slope(shape, rng) ** 2
        - rng.uniform(-0.4, 0.4)
    )
    shadow = np.float32(rng.uniform(0.2, 0.5)) * (
        0.5 + edge / rng.uniform(0.03, 0.15)
    ).clip(0, 1)
    return daylight(shape, height, rng, 0.45) * (1 - shadow)


def crumpled(shape: Shape, height: float, rng: Generator) -> Map:
    """Light a sheet that was crumpled and smoothed out again: it is lighter or darker
    beside creases.
    """
    up, down = (np.abs(clouds(shape, height / 4, rng)) for _ in range(2))
    return np.float32(0.95) + np.float32(rng.uniform(0.05, 0.1)) * (up - down)


def dirty(shape: Shape, height: float, rng: Generator) -> Map:
    """Light a sheet with dark specks and smudges."""
    specks = (
        clouds(shape, max(2, 0.015 * height), rng) > rng.uniform(1.6, 2.2)
    ) * rng.uniform(0.4, 0.85)
    smudges = (clouds(shape, 0.3 * height, rng) - 0.8).clip(0, 1) * rng.uniform(
        0.08, 0.2
    )
    return np.asarray(
        daylight(shape, height, rng) * (1 - specks) * (1 - smudges), np.float32
    )


def patterned(shape: Shape, height: float, rng: Generator) -> Map:
    """Light tinted paper with a printed pattern of waves, such as that of a cheque."""
    waves = np.sin(
        clouds(shape, rng.uniform(0.3, 2) * height, rng) * rng.uniform(3, 15)
    )
    return np.asarray(
        rng.uniform(0.82, 0.98) + waves * rng.uniform(0.015, 0.06), np.float32
    )


def scanned(
    ink: Map, height: float, rng: Generator, light: Light = daylight, desk: int = 0
) -> bytes:
    """Scan or photograph ink on paper, of which up to so many edges and the desk are in
    view.
    """
    sheet, margin = (
        np.ones_like(ink),
        int(rng.uniform(0.15, 0.35) * max(ink.shape)) if desk else 0,
    )
    ink, sheet = np.pad(ink, margin), np.pad(sheet, margin, constant_values=1)
    for side in rng.permutation(4)[: rng.integers(min(desk, 1), desk + 1)]:
        edge = np.rot90(sheet, side)[:margin]
        edge *= np.arange(margin)[:, None] > margin * ramp(edge.shape[1], 0.3, 0.9, rng)
    table = (
        rng.uniform((20, 15, 10), (200, 170, 140))
        * (1 + 0.06 * clouds(ink.shape, 40, rng))[..., None]
    )
    paper = rng.uniform(225, 250) - rng.uniform(0, 5) * np.arange(3)  # a little yellow
    black, blue = rng.uniform(15, 50, 3), rng.uniform((15, 25, 100), (50, 70, 170))
    picture = blended(
        blended(table, sheet, paper), ink, black if rng.random() < 0.5 else blue
    )
    picture = noisy(picture, rng, 2.5) * light(ink.shape, height, rng)[..., None]
    blurred = to_image(picture).filter(ImageFilter.BoxBlur(rng.uniform(0.3, 1.1)))
    return jpeg(to_image(noisy(np.asarray(blurred), rng, 5)))


def one_bit(ink: Map, height: float, rng: Generator) -> bytes:
    """Scan ink in black and white, half of the time with specks."""
    grey = np.asarray(opened(scanned(ink, height, rng)).convert("L"))
    flipped = rng.random(grey.shape) < rng.choice([0, 0.003])
    return png(Image.fromarray((grey > rng.uniform(110, 190)) ^ flipped))


def turned(mask: Map, angle: float) -> Map:
    """Turn a mask by an angle in degrees."""
    return levels(
        to_image(255 * mask).rotate(angle, Image.Resampling.BICUBIC, expand=True)
    )


def slope(shape: Shape, rng: Generator) -> Map:
    """Make a gradient in a random direction, within -1 and 1."""
    rows, columns = (ramp(side, -0.5, 0.5, rng) for side in shape)
    return rows[:, None] + columns


def ramp(length: int, low: float, high: float, rng: Generator) -> Map:
    """Make a straight line (length,) between two heights."""
    return np.linspace(
        rng.uniform(low, high), rng.uniform(low, high), length, dtype=np.float32
    )


def clouds(shape: Shape, cell: float, rng: Generator) -> Map:
    """Make smooth noise with mean 0 and amplitude about 1, from cells of this side in
    pixels.
    """
    coarse = int(shape[0] / cell) + 2, int(shape[1] / cell) + 2
    return resized(rng.standard_normal(coarse, np.float32), shape[::-1])


def blended(under: ArrayLike, mask: Map, over: ArrayLike) -> Map:
    """Put one colour or picture over another by a mask."""
    share = mask[..., None]
    return np.asarray(
        np.multiply(1 - share, under) + np.multiply(share, over), np.float32
    )


def noisy(picture: Map, rng: Generator, most: float) -> Map:
    """Add grey noise."""
    return picture + rng.standard_normal(
        (*picture.shape[:2], 1), np.float32
    ) * np.float32(rng.uniform(0.2, 1) * most)


def jpeg(image: Image.Image) -> bytes:
    """Encode an image as a JPEG file."""
    file = BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()


def opened(picture: bytes) -> Image.Image:
    """Open a picture file."""
    return Image.open(BytesIO(picture))
