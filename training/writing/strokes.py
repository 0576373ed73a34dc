"""Strokes: drawn from their points, redrawn from a digit at any size, and those of
marks.

A digit's strokes are fields (168, 168): the signed distance to their outline in cells,
positive inside.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import distance_transform_edt, uniform_filter
from skimage.morphology import skeletonize
from torch import Tensor

from app.picture.frame import FRAME_SIDE
from app.picture.maps import Map
from training.writing.drawing import Size, extent, levels, resized

Digit = NDArray[np.uint8]
# Strokes are computed at this many cells per MNIST pixel, then drawn at any size.
CELLS = 6
SMOOTH = 5  # cells over which distances are averaged, so that outlines are smooth
# MNIST's ink at a stroke's outline. Below one half, because the thinnest strokes never
# reach full ink.
OUTLINE = 0.4
INKED = 0.1  # pixels above this count as ink


def polylines(text: str) -> list[NDArray[np.float64]]:
    """Parse strokes such as "0,0 0.5,1 | 1,0 0,1": (P, 2) vertices as (x, y) each."""
    strokes = [stroke.split() for stroke in text.split("|")]
    return [
        np.array([point.split(",") for point in stroke], float) for stroke in strokes
    ]


Shapes = dict[str, Sequence[ArrayLike]]  # the strokes of each mark
DOT = "-0.04,0.06 -0.03,0.05"
# For each stroke, the lowest and highest x and y of its first point, then of the steps
# to the next ones, in digit heights.
MARKS: Shapes = {
    ".": polylines(f"0,0 0.86,1 {DOT}"),
    ":": polylines(f"0,0 0.22,0.42 {DOT} | 0,0 0.72,0.95 {DOT}"),
    ",": polylines("0.1,0.1 0.84,0.98 0,0.05 0.06,0.17 -0.14,-0.03 0.06,0.17"),
    "-": polylines("0,0 0.36,0.66 0.1,0.32 -0.03,0.03 0.1,0.32 -0.06,0.06"),
    "1": polylines("0,0 -0.15,0.1 -0.08,0.08 0.95,1.15"),
    # Steeper ones look like a 1.
    "/": polylines("0.6,0.6 -0.2,0.05 -0.75,-0.25 1,1.2"),
}


def drawn(size: Size, strokes: Iterable[ArrayLike], width: int) -> Image.Image:
    """Draw strokes (P, 2) with a round pen, `width` pixels wide, on an 8-bit mask."""
    image = Image.new("L", size)
    draw = ImageDraw.Draw(image)
    for stroke in strokes:
        points = [(x, y) for x, y in np.asarray(stroke).tolist()]
        draw.line(points, fill=255, width=width, joint="curve")
        for end in (points[0], points[-1]):
            draw.circle(end, (width - 1) / 2, fill=255)
    return image


def draw(points: Tensor, width: Tensor) -> Tensor:
    """Draw a polyline with round ends on each of N empty images.

    Parameters
    ----------
    points : Tensor
        (N, P, 2) float, P >= 2: vertices as (x, y) in pixels; (0, 0) is the centre of
        the first pixel.
    width : Tensor
        (N, 1, 1) float: line width in pixels.

    Returns
    -------
    Tensor
        (N, 28, 28) float in [0, 1].
    """
    axis = torch.arange(FRAME_SIDE, device=points.device)
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    distance = points.new_full((len(points), FRAME_SIDE, FRAME_SIDE), torch.inf)
    vertices = points[:, :, None, None].unbind(1)  # P times (N, 1, 1, 2)
    for start, end in pairwise(vertices):
        along = end - start
        from_start = pixels - start  # (N, 28, 28, 2)
        share = (from_start * along).sum(-1) / (along * along).sum(-1).clamp(min=1e-6)
        nearest = share.clamp(0, 1)[..., None] * along
        to_segment = torch.linalg.vector_norm(from_start - nearest, dim=-1)
        distance = torch.minimum(distance, to_segment)
    return (width / 2 + 0.5 - distance).clamp(0, 1)


def enlarged(digit: Digit) -> Map:
    """Upsample ink to cells, less OUTLINE; open small holes, smooth pixel edges."""
    image = Image.fromarray(resized(digit, (28 * CELLS, 28 * CELLS)))
    sharp = image.filter(ImageFilter.UnsharpMask(1.2 * CELLS, percent=200, threshold=0))
    level = levels(sharp.filter(ImageFilter.GaussianBlur(0.5 * CELLS)))
    return level - min(OUTLINE, 0.6 * float(level.max()))


def felt(digit: Digit) -> Map:
    """Keep MNIST's own strokes, with a crisp outline."""
    level = enlarged(digit)
    slope = np.hypot(*np.gradient(level))
    return np.asarray((level / slope.clip(min=0.01)).clip(-3, 3), np.float32)


def pen(digit: Digit, width: float) -> Map:
    """Redraw the digit with a round pen, of `width` times the digit's height.

    Loops that are full of ink stay full: with its centre line alone, an 8 would become
    a 6.
    """
    ink = enlarged(digit) > 0
    centre = np.asarray(skeletonize(ink))  # type: ignore[no-untyped-call]
    depth = distance_transform_edt(ink)
    rows, _ = extent(ink, 0)
    radius = width * (rows.stop - rows.start) / 2
    trace = radius - uniform_filter(distance_transform_edt(~centre), SMOOTH)
    full = uniform_filter(depth, SMOOTH) - 1.15 * np.median(depth[centre])
    return np.asarray(np.maximum(trace, full), np.float32)


def smaller(strokes: Map) -> Map:
    """Store strokes in cells of twice the side."""
    return np.asarray(Image.fromarray(strokes).reduce(2), np.float32) / np.float32(2)


def written(strokes: Map, height: float, slant: float, stretch: float = 1.0) -> Map:
    """Draw a mask (h, w) of one digit, cropped to its ink, which is `height` high."""
    rows, columns = extent(strokes, 0)
    scale = (rows.stop - rows.start) / height
    across = scale / stretch
    shear = scale * slant  # higher rows lie further to the right
    reach = abs(slant) * height / 2 * stretch
    width = int(np.ceil((columns.stop - columns.start) / across + 2 * reach)) + 4
    tall = int(np.ceil(height)) + 4
    x = (columns.start + columns.stop) / 2 - across * width / 2 - shear * tall / 2
    y = (rows.start + rows.stop) / 2 - scale * tall / 2
    field = Image.fromarray(strokes).transform(
        (width, tall),
        Image.Transform.AFFINE,
        (across, shear, x, 0, scale, y),
        Image.Resampling.BICUBIC,
        fillcolor=-99,
    )
    mask: Map = (0.5 + np.asarray(field) / scale).clip(0, 1)
    return mask[extent(mask, INKED)]


def mark(
    kind: str,
    height: float,
    width: float,
    slant: float,
    rng: Generator,
    shapes: Shapes = MARKS,
) -> tuple[Map, float]:
    """Draw one of the marks . , - / and :, or a 1 as one straight stroke; or one of
    other shapes.

    `height` is that of the digits, in pixels, and `width` that of the pen, in digit
    heights. Returns the mask, cropped to its ink, and by how many digit heights its top
    is above that of the digits.
    """
    fine = 4  # pixels per pixel of the mask
    above = 0.3  # room above the digits' top, in digit heights
    unit = height * fine
    strokes = []
    for spans in shapes[kind]:
        points = rng.uniform(*np.array(spans).T).reshape(-1, 2).cumsum(axis=0)
        slanted = points @ [[1, 0], [-slant, 1]]
        strokes.append(unit * (slanted + np.array([0.8 + 0.5 * slant, above])))
    size = (int(2.4 * unit), int(1.8 * unit))
    mask = levels(drawn(size, strokes, round(unit * max(0.06, width))).reduce(fine))
    rows, columns = extent(mask, 0.2)
    return mask[rows, columns], above - rows.start / height
