"""Render a sheet of paper on a desk, as seen by a phone's camera."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from app.preprocess.maps import Map
from paper import COARSE, clouds, coarse, noise, off_white, plain
from training.paper import Size, blurred, to_image


def tilted_camera(rng: Generator, size: Size) -> NDArray[np.float64]:
    """Make the perspective transform from picture to sheet: rotated by up to 6° and slightly tilted."""
    x, y = size[0] / 2, size[1] / 2
    angle = np.radians(rng.uniform(-6, 6))
    lean = rng.uniform(-0.12, 0.12, 2) / max(size)
    turn = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [*lean, 1]]
    onto: NDArray[np.float64] = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]]) @ turn @ [[1, 0, -x], [0, 1, -y], [0, 0, 1]]
    return onto


def sheet_bounds(rng: Generator, size: Size) -> NDArray[np.float64]:
    """Return the sheet's left, top, right and bottom; one or two of them lie within the picture."""
    bounds: NDArray[np.float64] = np.array([-1, -1, 2, 2]) * np.array([*size, *size], float)
    for side in rng.choice(4, rng.integers(1, 3), replace=False):
        inset = rng.uniform(0.08, 0.22) * size[side % 2]
        bounds[side] = inset if side < 2 else size[side % 2] - inset
    return bounds


def sheet_on_desk(rng: Generator, size: Size, bounds: NDArray[np.float64], camera: NDArray[np.float64]) -> Map:
    """Draw a sheet of paper on a desk, with the thin shadow that it casts."""
    left, top, right, bottom = bounds
    corners = np.linalg.inv(camera) @ [[left, right, right, left], [top, top, bottom, bottom], [1, 1, 1, 1]]
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in (corners[:2] / corners[2]).T], fill=255)
    shadow = blurred(mask.resize(coarse(size)), rng.uniform(0.004, 0.015) * max(size) / COARSE)
    ground = desk(rng, coarse(size)) * (1 - rng.uniform(0.3, 0.8) * shadow)[..., None]
    image = to_image(ground).resize(size, Image.Resampling.BICUBIC)
    image.paste(tuple(int(level) for level in off_white(rng)), mask=mask)
    return np.asarray(image, np.float32) + noise(rng, size, rng.uniform(0.5, 2.5))


def desk(rng: Generator, size: Size) -> Map:
    """Draw a dark, light or wooden desk."""
    kind = rng.choice(["dark", "light", "wood"])
    if kind == "wood":
        streaks = 1 + 0.1 * clouds(rng, size, 2, 50) + 0.07 * clouds(rng, size, 3, 15)
        brown = np.array([1, rng.uniform(0.68, 0.8), rng.uniform(0.4, 0.55)]) * rng.uniform(90, 200)
        return plain(size, brown) * streaks[..., None]
    level = rng.uniform(20, 65) if kind == "dark" else rng.uniform(150, 205)
    return plain(size, level + rng.uniform(-6, 6, 3)) * (1 + 0.04 * clouds(rng, size, 40, 40))[..., None]
