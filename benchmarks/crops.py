"""Tight crops: a digit cropped to its ink, as other programs cut digits out of a page. No crop cuts into the digit."""

from functools import partial

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageOps

from drawing import handwriting, pair, stamp
from paper import ink_colour, jpeg, lit, noise, off_white, paint, plain, sensed, to_size
from training.paper import png
from training.strokes import OUTLINE, Digit


def tight(digit: Digit, rng: Generator, side: int, margins: tuple[int, ...] = (0,)) -> bytes:
    """Crop MNIST's ink, resize its longer side to `side` pixels, add a margin: light or dark, greyscale or binary."""
    image = scaled(Image.fromarray(digit), side)
    if rng.random() < 0.5:
        image = black_and_white(image)
        image = image.crop(image.getbbox())
    image = ImageOps.expand(image, int(rng.choice(margins)))
    return png(image if rng.random() < 0.5 else ImageOps.invert(image))


def scaled(image: Image.Image, side: int) -> Image.Image:
    """Crop to the ink's outline and resize the longer side to `side` pixels, by averaging or interpolation."""
    box = black_and_white(image).getbbox()
    assert box is not None
    extent = np.array([box[2] - box[0], box[3] - box[1]])
    scale = side / extent.max()
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    return image.resize(to_size((extent * scale).round().clip(min=1)), method, box)


def black_and_white(image: Image.Image) -> Image.Image:
    """Binarise: white within the ink's outline, black elsewhere."""
    level = OUTLINE * image.getextrema()[1]
    return image.point(lambda value: 255 * (value > level))


def tight_photo(digit: Digit, rng: Generator, side: int) -> bytes:
    """Crop a digit out of a photo of a sheet, with a longer side of `side` pixels."""
    strokes = handwriting(digit, rng)
    height = side / strokes.extent(1).max()
    extent = strokes.extent(height)
    size = to_size(extent.round())
    paper = plain(size, off_white(rng)) + noise(rng, size, rng.uniform(0.5, 2))
    paper = paint(paper, stamp(size, strokes, height, pair(extent / 2)), ink_colour(rng))
    image = sensed(rng, paper * lit(rng, size, 0.3)[..., None], rng.uniform(0.3, 0.8), rng.uniform(1.5, 5))
    return jpeg(image, int(rng.integers(60, 91)))


CROPS = {
    **{f"tight-{side}px": partial(tight, side=side) for side in (8, 16, 28, 100, 300)},
    **{f"tight-{side}px-margin": partial(tight, side=side, margins=(1, 2)) for side in (8, 16, 28, 100, 300)},
    **{f"tight-photo-{side}px": partial(tight_photo, side=side) for side in (48, 100, 300)},
}
