"""Render paper, ink, light and lines for synthetic scans and photos, and encode them as files.

Pictures are (H, W, 3) float32 with white = 255; masks and light maps are (H, W) float32.
"""

from io import BytesIO

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from PIL import ExifTags, Image, ImageFilter

from app.preprocess.maps import Map
from training.paper import Size, resized, to_image

# Light and folds are smooth, so they are computed at this fraction of the picture's side.
COARSE = 4


def to_size(values: NDArray[np.float64]) -> Size:
    """Convert an array of two numbers to integers, rounded down."""
    return int(values[0]), int(values[1])


def size_of(picture: NDArray[np.floating]) -> Size:
    """Return a picture's width and height."""
    return picture.shape[1], picture.shape[0]


def plain(size: Size, colour: ArrayLike) -> Map:
    """Make a picture of one colour."""
    return np.full((size[1], size[0], 3), colour, np.float32)


def paint(picture: Map, mask: Map, colour: ArrayLike) -> Map:
    """Blend a colour into the picture, in place, by a mask."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if len(rows):
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        picture[box] += mask[box][..., None] * (np.asarray(colour, np.float32) - picture[box])
    return picture


def noise(rng: Generator, size: Size, sigma: float) -> Map:
    """Make grain, (H, W, 1). One tile is repeated, since drawing random numbers is slow."""
    tile = rng.normal(0, sigma, (320, 320, 1)).astype(np.float32)
    return np.tile(tile, (size[1] // 320 + 1, size[0] // 320 + 1, 1))[: size[1], : size[0]]


def clouds(rng: Generator, size: Size, across: int, down: int) -> Map:
    """Make smooth noise with mean 0 and amplitude about 1, interpolated from a grid of `across` by `down` cells."""
    return resized(rng.normal(0, 1, (down + 1, across + 1)).astype(np.float32), size)


def coarse(size: Size) -> Size:
    """Return the size at which smooth maps are computed."""
    return -(-size[0] // COARSE), -(-size[1] // COARSE)


def positions(size: Size) -> tuple[Map, Map]:
    """Return the x (1, W) and y (H, 1) of a coarse map's cells, in pixels of the picture."""
    x, y = (np.arange(0, side, COARSE, dtype=np.float32) for side in size)
    return x[None], y[:, None]


def rise(value: NDArray[np.floating]) -> Map:
    """Compute the smoothstep function, which rises from 0 at -1 to 1 at 1."""
    share = (value / 2 + 0.5).clip(0, 1)
    risen: Map = (share * share * (3 - 2 * share)).astype(np.float32)
    return risen


def across(size: Size, angle: float) -> Map:
    """Make a coarse linear gradient in one direction, from -1 to 1 over the picture's longer side."""
    x, y = positions(size)
    grown: Map = ((x - size[0] / 2) * np.cos(angle) + (y - size[1] / 2) * np.sin(angle)) * (2 / max(size))
    return grown


def lit(rng: Generator, size: Size, fall: float) -> Map:
    """Make the light on a sheet that is lit from one side; it falls off by at most `fall`."""
    light = 1 - rng.uniform(0.3, 1) * fall * rise(across(size, rng.uniform(0, 2 * np.pi)))
    return resized(light.astype(np.float32), size)


def cast_shadow(rng: Generator, size: Size) -> Map:
    """Make the light on a sheet with the shadow of an object beside it, with a curved and fairly hard edge."""
    angle = rng.uniform(0, 2 * np.pi)
    bend = rng.uniform(-0.8, 0.8) * across(size, angle + np.pi / 2) ** 2
    side = across(size, angle) + bend - rng.uniform(-0.4, 0.4)
    side = side + 0.025 * clouds(rng, size_of(side), 3, 3)
    light = 1 - rng.uniform(0.2, 0.5) * rise(side / rng.uniform(0.015, 0.08))
    return resized(light.astype(np.float32), size)


def lines(size: Size, spacing: float, width: float, angle: float, start: float) -> Map:
    """Draw a mask of parallel lines."""
    x, y = np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32)[:, None]
    along = (y * np.cos(angle) + x * np.sin(angle) + start) % np.float32(spacing)
    mask: Map = (width / 2 + 0.5 - np.abs(along - spacing / 2)).clip(0, min(1, width)).astype(np.float32)
    return mask


def off_white(rng: Generator) -> NDArray[np.float64]:
    """Pick a random paper colour."""
    return rng.uniform(228, 250) - np.array([0, 1, 2]) * rng.uniform(0, 5)


def ink_colour(rng: Generator) -> NDArray[np.float64]:
    """Pick a random colour of a black or blue pen."""
    if rng.random() < 0.5:
        return rng.uniform(15, 50) + rng.uniform(-5, 5, 3)
    return rng.uniform((15, 25, 100), (50, 70, 170))


def jpeg(image: Image.Image, quality: int, orientation: int = 1) -> bytes:
    """Encode an image as a JPEG file, with its pixels stored as the EXIF orientation says."""
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    exif, file = Image.Exif(), BytesIO()
    exif[ExifTags.Base.Orientation] = orientation
    stored = image.transpose(turn[orientation]) if orientation in turn else image
    stored.save(file, "JPEG", quality=quality, exif=exif)
    return file.getvalue()


def sensed(rng: Generator, picture: Map, blur: float, sigma: float, zoom: int = 1) -> Image.Image:
    """Capture a picture with a camera or scanner: slightly blurred, and noisy."""
    image = to_image(picture).filter(ImageFilter.BoxBlur(blur))
    if zoom > 1:
        image = image.resize((image.width * zoom, image.height * zoom), Image.Resampling.BICUBIC)
    levels = np.asarray(image).astype(np.int16)
    levels += noise(rng, image.size, sigma).round().astype(np.int16)
    return Image.fromarray(levels.clip(0, 255, out=levels).astype(np.uint8))


def scanned(rng: Generator, paper: Map, sigma: float = 2) -> bytes:
    """Scan a sheet in nearly even light, as a JPEG file."""
    size = size_of(paper)
    return jpeg(sensed(rng, paper * lit(rng, size, 0.12)[..., None], rng.uniform(0.3, 0.8), sigma), 80)
