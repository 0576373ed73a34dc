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
from training.writing.drawing import extent, levels, png, resized, to_image

Shape = tuple[int, int]
Finish = Callable[[Map, float, Generator], bytes]
# Lights a sheet of this shape, with digits of this height.
Light = Callable[[Shape, float, Generator], Map]
BRIGHTNESS = (0.299, 0.587, 0.114)  # of red, green and blue


def on_canvas(ink: Map, _: float, rng: Generator, black: float = 0.0) -> bytes:
    """Draw in nearly black on white or, in a share of the pictures, white on black."""
    if rng.random() < black:
        return png(ink * 255)
    return png(255 - ink * rng.uniform(205, 255))


def coloured(ink: Map, _: float, rng: Generator) -> bytes:
    """Draw in one colour on a clearly different one; a third are equally bright."""
    most = rng.choice([6, 255, 255])
    while True:
        paper, pen = rng.uniform(0, 255, (2, 3))
        difference = paper - pen
        if np.abs(difference).max() >= 90 and abs(difference @ BRIGHTNESS) <= most:
            return png(blended(paper, ink, pen))


def hardened(ink: Map, rng: Generator) -> Map:
    """Make the edges of ink hard in half of the pictures."""
    return ink.round() if rng.random() < 0.5 else ink


def transparent(ink: Map, _: float, rng: Generator) -> bytes:
    """Draw in black or white on a transparent background."""
    image = Image.new("RGBA", ink.shape[::-1], str(rng.choice(["black", "white"])))
    image.putalpha(to_image(255 * hardened(ink, rng)))
    return png(image)


def cut_out(
    ink: Map, height: float, rng: Generator, margins: tuple[int, ...] = (0, 1, 2)
) -> bytes:
    """Crop to the ink, as another program would: dark or light, greyscale or binary."""
    mask = hardened(ink, rng)
    cropped = np.pad(mask[extent(mask, 0)], rng.choice(margins))
    return on_canvas(cropped, height, rng, black=0.5)


def daylight(shape: Shape, _: float, rng: Generator, most: float = 0.2) -> Map:
    """Light a sheet from one side."""
    strength = rng.uniform(0.1, 0.5) * most
    return 1 - strength * (1 + slope(shape, rng))


def shadowed(shape: Shape, height: float, rng: Generator) -> Map:
    """Light a sheet unevenly, with the curved shadow of a hand or a phone."""
    edge = slope(shape, rng)
    edge = edge + rng.uniform(-0.8, 0.8) * slope(shape, rng) ** 2
    edge = edge - rng.uniform(-0.4, 0.4)
    strength = np.float32(rng.uniform(0.2, 0.5))
    shadow = strength * (0.5 + edge / rng.uniform(0.03, 0.15)).clip(0, 1)
    return daylight(shape, height, rng, 0.45) * (1 - shadow)


def crumpled(shape: Shape, height: float, rng: Generator) -> Map:
    """Light a sheet that was crumpled: it is lighter or darker beside creases."""
    up = np.abs(clouds(shape, height / 4, rng))
    down = np.abs(clouds(shape, height / 4, rng))
    return 0.95 + np.float32(rng.uniform(0.05, 0.1)) * (up - down)


def dirty(shape: Shape, height: float, rng: Generator) -> Map:
    """Light a sheet with dark specks and smudges."""
    specks = clouds(shape, max(2, 0.015 * height), rng) > rng.uniform(1.6, 2.2)
    speckled = 1 - specks * rng.uniform(0.4, 0.85)
    smudges = (clouds(shape, 0.3 * height, rng) - 0.8).clip(0, 1)
    smudged = 1 - smudges * rng.uniform(0.08, 0.2)
    light = daylight(shape, height, rng) * speckled * smudged
    return light.astype(np.float32)


def patterned(shape: Shape, height: float, rng: Generator) -> Map:
    """Light tinted paper with a printed pattern of waves, such as that of a cheque."""
    bends = clouds(shape, rng.uniform(0.3, 2) * height, rng)
    waves = np.sin(bends * rng.uniform(3, 15))
    light = rng.uniform(0.82, 0.98) + waves * rng.uniform(0.015, 0.06)
    return np.asarray(light, np.float32)


def scanned(
    ink: Map, height: float, rng: Generator, light: Light = daylight, desk: int = 0
) -> bytes:
    """Scan or photograph ink on paper; up to `desk` edges of the paper are in view."""
    margin = int(rng.uniform(0.15, 0.35) * max(ink.shape)) if desk else 0
    ink = np.pad(ink, margin)
    sheet = np.ones_like(ink)
    for side in rng.permutation(4)[: rng.integers(min(desk, 1), desk + 1)]:
        edge = np.rot90(sheet, side)[:margin]
        depth = margin * ramp(edge.shape[1], 0.3, 0.9, rng)
        edge *= np.arange(margin)[:, None] > depth
    wood = rng.uniform((20, 15, 10), (200, 170, 140))
    table = wood * (1 + 0.06 * clouds(ink.shape, 40, rng))[..., None]
    # A little yellow.
    paper = rng.uniform(225, 250) - rng.uniform(0, 5) * np.arange(3)
    black = rng.uniform(15, 50, 3)
    blue = rng.uniform((15, 25, 100), (50, 70, 170))
    pen = black if rng.random() < 0.5 else blue
    picture = noisy(blended(blended(table, sheet, paper), ink, pen), rng, 2.5)
    picture = picture * light(ink.shape, height, rng)[..., None]
    blurred = to_image(picture).filter(ImageFilter.BoxBlur(rng.uniform(0.3, 1.1)))
    return jpeg(to_image(noisy(np.asarray(blurred), rng, 5)))


def one_bit(ink: Map, height: float, rng: Generator) -> bytes:
    """Scan ink in black and white, half of the time with specks."""
    grey = np.asarray(opened(scanned(ink, height, rng)).convert("L"))
    flipped = rng.random(grey.shape) < rng.choice([0, 0.003])
    return png(Image.fromarray((grey > rng.uniform(110, 190)) ^ flipped))


def rotated(mask: Map, angle: float) -> Map:
    """Turn a mask by an angle in degrees."""
    image = to_image(255 * mask)
    return levels(image.rotate(angle, Image.Resampling.BICUBIC, expand=True))


def slope(shape: Shape, rng: Generator) -> Map:
    """Make a gradient in a random direction, within -1 and 1."""
    rows = ramp(shape[0], -0.5, 0.5, rng)
    return rows[:, None] + ramp(shape[1], -0.5, 0.5, rng)


def ramp(length: int, low: float, high: float, rng: Generator) -> Map:
    """Make a straight line (length,) between two heights."""
    start, end = rng.uniform(low, high, 2)
    return np.linspace(start, end, length, dtype=np.float32)


def clouds(shape: Shape, cell: float, rng: Generator) -> Map:
    """Make smooth noise with mean 0 and amplitude about 1, from cells of this side."""
    coarse = [int(side / cell) + 2 for side in shape]
    return resized(rng.standard_normal(coarse, np.float32), shape[::-1])


def blended(under: ArrayLike, mask: Map, over: ArrayLike) -> Map:
    """Put one colour or picture over another by a mask."""
    share = mask[..., None]
    mixed = np.multiply(1 - share, under) + np.multiply(share, over)
    return np.asarray(mixed, np.float32)


def noisy(picture: Map, rng: Generator, most: float) -> Map:
    """Add grey noise."""
    noise = rng.standard_normal((*picture.shape[:2], 1), np.float32)
    return picture + noise * (rng.uniform(0.2, 1) * most)


def jpeg(image: Image.Image) -> bytes:
    """Encode an image as a JPEG file."""
    file = BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()


def opened(picture: bytes) -> Image.Image:
    """Open a picture file."""
    return Image.open(BytesIO(picture))
