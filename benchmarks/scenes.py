"""Scenes: an MNIST digit rendered into the kinds of picture that people send, as a file.

The pictures are synthetic: MNIST's strokes are enlarged, or redrawn along their centre lines with another pen. A
picture depends only on the seed, its scene and its index. There are no scenes with several digits to read, glare,
motion blur or handwriting other than MNIST's.
"""

from collections.abc import Callable
from functools import partial
from zlib import crc32

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from crops import CROPS
from desk import sheet_bounds, sheet_on_desk, tilted_camera
from drawing import handwriting, marker, pair, spot, stamp
from paper import (
    COARSE,
    across,
    cast_shadow,
    clouds,
    coarse,
    ink_colour,
    jpeg,
    lines,
    lit,
    noise,
    off_white,
    paint,
    plain,
    rise,
    scanned,
    sensed,
    size_of,
    to_size,
)
from sheet import random_digit
from training.paper import Size, blurred, png, resized, to_image
from training.strokes import Digit, Map, Strokes, felt, pen

Scene = Callable[[Digit, Generator], bytes]


def clean(digit: Digit, rng: Generator) -> bytes:
    """Encode the MNIST image itself."""
    return png(Image.fromarray(digit))


def canvas(digit: Digit, rng: Generator) -> bytes:
    """Draw in black at a random place on a large white canvas."""
    width, height = rng.integers(600, 1601, 2)
    return on_white(rng, felt(digit), (int(width), int(height)), rng.uniform(80, 400))


def on_white(rng: Generator, strokes: Strokes, size: Size, height: float) -> bytes:
    """Draw nearly black strokes at a random place on white."""
    ink = stamp(size, strokes, height, spot(rng, size, strokes.extent(height), 4))
    return png(255 - ink * np.float32(rng.uniform(205, 255)))


def around(rng: Generator, strokes: Strokes, height: float, least: float, most: float) -> Size:
    """Return a picture size that leaves `least` to `most` digit heights of room in total, across and down."""
    return to_size(strokes.extent(height) + rng.uniform(least, most, 2) * height)


def thin_pen(digit: Digit, rng: Generator) -> bytes:
    """Draw with a fine pen on white."""
    strokes, height = pen(digit, 1 / rng.uniform(15, 25)), rng.uniform(150, 500)
    return on_white(rng, strokes, around(rng, strokes, height, 0.3, 1.8), height)


def thick_marker(digit: Digit, rng: Generator) -> bytes:
    """Draw with a broad marker on white."""
    strokes, height = marker(digit, 1 / rng.uniform(4.5, 6.5)), rng.uniform(150, 500)
    return on_white(rng, strokes, around(rng, strokes, height, 0.3, 1.8), height)


def drawn(digit: Digit, rng: Generator) -> Map:
    """Draw a mask of the digit at a random place on a medium-sized canvas."""
    strokes, height = handwriting(digit, rng), rng.uniform(120, 350)
    size = around(rng, strokes, height, 0.3, 2)
    return stamp(size, strokes, height, spot(rng, size, strokes.extent(height), 4))


def white_on_black(digit: Digit, rng: Generator) -> bytes:
    """Draw in white on black, as on a screen."""
    return png(drawn(digit, rng) * np.float32(255))


def colours(digit: Digit, rng: Generator) -> bytes:
    """Draw in one colour on another that differs clearly in some channel; a third of the pairs are equally bright."""
    pairs = rng.integers(0, 256, (4000, 2, 3)).astype(float)
    difference = pairs[:, 0] - pairs[:, 1]
    fit = np.abs(difference).max(axis=1) >= 90
    if rng.random() < 1 / 3:
        fit &= np.abs(difference @ (0.299, 0.587, 0.114)) < 6
    paper, ink = pairs[np.flatnonzero(fit)[0]]
    mask = drawn(digit, rng)
    return png(paint(plain(size_of(mask), paper), mask, ink))


def see_through(digit: Digit, rng: Generator, level: int) -> bytes:
    """Draw in one grey level on a transparent background; half of the pictures have hard edges."""
    mask = drawn(digit, rng)
    if rng.random() < 0.5:
        mask = mask.round()
    image = Image.new("RGBA", size_of(mask), (level, level, level))
    image.putalpha(to_image(mask * 255))
    return png(image)


def transparent_black(digit: Digit, rng: Generator) -> bytes:
    """Draw in black on a transparent background."""
    return see_through(digit, rng, 0)


def transparent_white(digit: Digit, rng: Generator) -> bytes:
    """Draw in white on a transparent background."""
    return see_through(digit, rng, 255)


def phone_photo(digit: Digit, rng: Generator) -> bytes:
    """Take a phone photo of a sheet on a desk, in uneven light."""
    side = int(rng.integers(900, 1601))
    return photo(digit, rng, (side, side * 3 // 4), rng.uniform(0.15, 0.5), zoom=1)


def twelve_megapixels(digit: Digit, rng: Generator) -> bytes:
    """Take the same photo with 4000 × 3000 pixels, rendered at half size, since such pixels are soft."""
    return photo(digit, rng, (2000, 1500), rng.uniform(400, 1500) / 3000, zoom=2)


def photo(digit: Digit, rng: Generator, size: Size, share: float, zoom: int) -> bytes:
    """Take a photo in which the digit covers a given share of the shorter side."""
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


def folds(rng: Generator, size: Size, count: int) -> Map:
    """Make the change of light on creased paper: lighter or darker beside each crease, fading with distance."""
    light = np.zeros(coarse(size)[::-1], np.float32)
    bent = 0.012 * clouds(rng, size_of(light), 5, 5)
    for angle in rng.uniform(0, 2 * np.pi, count):
        shift, reach, strength = rng.uniform(-0.9, 0.9), rng.uniform(0.03, 0.3), rng.uniform(-1, 1, 2)
        along = across(size, angle + np.pi / 2) - rng.uniform(-0.7, 0.7)
        off = across(size, angle) - shift + bent
        slope = strength[0] + (strength[1] - strength[0]) * rise(off * max(size) / (1.5 * COARSE))
        light += slope * np.exp(-np.abs(off) / reach - (along / rng.uniform(0.2, 0.8)) ** 2)
    return resized(light.astype(np.float32), size)


def crumpled(digit: Digit, rng: Generator) -> bytes:
    """Scan a sheet that was crumpled and smoothed out again."""
    paper = sheet(digit, rng)[0]
    size = size_of(paper)
    light = folds(rng, size, 30) + 0.4 * clouds(rng, size, 3, 3)
    light *= rng.uniform(0.12, 0.25) / np.abs(light).max()
    return scanned(rng, paper * (0.95 + light)[..., None], 3)


def sheet(digit: Digit, rng: Generator, rule: Callable[[Size, float], Map] | None = None) -> tuple[Map, float]:
    """Draw a digit on a sheet that fills the picture, and return its height too; `rule` makes lines to print first."""
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
    """Scan ruled paper, with the lines at a random offset behind the digit."""
    angle = np.radians(rng.uniform(-2, 2))

    def rule(size: Size, height: float) -> Map:
        spacing = rng.uniform(0.6, 1.2) * height
        return lines(size, spacing, rng.uniform(0.008, 0.02) * spacing + 0.5, angle, rng.uniform(0, spacing))

    return scanned(rng, sheet(digit, rng, rule)[0])


def squared(digit: Digit, rng: Generator) -> bytes:
    """Scan squared paper, with two to four squares per digit height."""
    angle = np.radians(rng.uniform(-2, 2))

    def rule(size: Size, height: float) -> Map:
        spacing = rng.uniform(0.25, 0.5) * height
        width = rng.uniform(0.015, 0.03) * spacing + 0.5
        rows = lines(size, spacing, width, angle, rng.uniform(0, spacing))
        return np.maximum(rows, lines(size, spacing, width, angle + np.pi / 2, rng.uniform(0, spacing)))

    return scanned(rng, sheet(digit, rng, rule)[0])


def printed_box(digit: Digit, rng: Generator) -> bytes:
    """Scan a form's box around the digit, sometimes with the edges of neighbouring boxes."""
    strokes, height = handwriting(digit, rng), rng.uniform(100, 300)
    inner, outer = rng.uniform(0.08, 0.4, (2, 2)) * height, rng.uniform(0.06, 0.3, (2, 2)) * height
    extent = strokes.extent(height)
    size = to_size(extent + inner.sum(axis=0) + outer.sum(axis=0))
    paper = off_white(rng)
    form = to_image(paint(plain(size, paper), boxes(rng, size, outer, height), np.full(3, rng.uniform(10, 90))))
    ink = stamp(size, strokes, height, pair(outer[0] + inner[0] + extent / 2))
    picture = to_image(paint(np.asarray(form).astype(np.float32), ink, ink_colour(rng)))
    ground = tuple(int(level) for level in paper)
    picture = picture.rotate(rng.uniform(-1.5, 1.5), Image.Resampling.BICUBIC, fillcolor=ground)
    return scanned(rng, np.asarray(picture, np.float32))


def boxes(rng: Generator, size: Size, margin: NDArray[np.float64], height: float) -> Map:
    """Draw a mask of a rectangle with margins (left and top, right and bottom), half of the time in a row of them."""
    mask = Image.new("L", size)
    (left, top), (right, bottom) = margin[0], np.asarray(size) - margin[1]
    width = max(2, round(rng.uniform(0.01, 0.035) * height))
    step = right - left + rng.uniform(0, 0.2) * height
    for shift in (-step, 0, step) if rng.random() < 0.5 else (0,):
        ImageDraw.Draw(mask).rectangle((left + shift, top, right + shift, bottom), outline=255, width=width)
    return np.asarray(mask, np.float32) / 255


def pencil(digit: Digit, rng: Generator) -> bytes:
    """Draw thin grey strokes on grainy paper, as with a hard pencil."""
    strokes, height = pen(digit, 1 / rng.uniform(15, 25)), rng.uniform(150, 400)
    size = around(rng, strokes, height, 0.4, 1.6)
    ink = stamp(size, strokes, height, spot(rng, size, strokes.extent(height), 0.08 * height))
    paper = off_white(rng)
    ink *= grain(rng, size)
    picture = paint(plain(size, paper) + noise(rng, size, 2.5), ink, paper * (1 - rng.uniform(0.2, 0.35)))
    return scanned(rng, picture, rng.uniform(1, 3))


def grain(rng: Generator, size: Size) -> Map:
    """Make a map of how much lead the paper takes from a pencil."""
    fine, rough = noise(rng, size, 0.25)[..., 0], noise(rng, coarse(size), 0.25)[..., 0]
    return (0.85 + fine + resized(rough, size)).clip(0.1, 1)


def printed_grid(digit: Digit, rng: Generator) -> bytes:
    """Scan a pencilled digit in a cell of a printed grid, whose black lines run along the picture's edges."""
    strokes, height = pen(digit, 1 / rng.uniform(12, 22)), rng.uniform(50, 300)
    extent = strokes.extent(height)
    cell = extent.max() * rng.uniform(1.25, 1.9) * rng.uniform(0.95, 1.05, 2)
    width, outside = rng.uniform(0.02, 0.05) * cell.min() + 1, rng.uniform(0, 0.12, (2, 2)) * cell
    size = to_size(cell + outside.sum(axis=0))
    place = np.array(spot(rng, to_size(cell), extent, width / 2 + 0.06 * height))
    paper, grid = off_white(rng), cells(size, cell, width, outside[0], np.radians(rng.uniform(-1.5, 1.5)))
    picture = paint(plain(size, paper) + noise(rng, size, 2), grid, np.full(3, rng.uniform(10, 70)))
    ink = stamp(size, strokes, height, pair(outside[0] + place)) * grain(rng, size)
    picture = paint(picture, ink, paper * (1 - rng.uniform(0.35, 0.65)))
    return scanned(rng, picture * lit(rng, size, 0.3)[..., None], rng.uniform(1, 3))


def grid_through(digit: Digit, rng: Generator) -> bytes:
    """Scan a digit that is larger than the cells of a printed grid, whose lines run through it."""
    strokes, height = handwriting(digit, rng), rng.uniform(80, 300)
    size = around(rng, strokes, height, 0.3, 1)
    cell = height * rng.uniform(0.5, 1) * rng.uniform(0.9, 1.1, 2)
    width, angle = rng.uniform(0.01, 0.03) * height + 1, np.radians(rng.uniform(-1.5, 1.5))
    grid = cells(size, cell, width, rng.uniform(0, 1, 2) * cell, angle)
    ink = stamp(size, strokes, height, spot(rng, size, strokes.extent(height), 4))
    picture = paint(plain(size, off_white(rng)) + noise(rng, size, 2), grid, np.full(3, rng.uniform(90, 190)))
    picture = paint(picture, ink, ink_colour(rng))
    return scanned(rng, picture * lit(rng, size, 0.3)[..., None], rng.uniform(1, 3))


def cells(size: Size, cell: NDArray[np.float64], width: float, corner: NDArray[np.float64], angle: float) -> Map:
    """Draw a mask of a grid, two of whose lines cross near `corner`."""
    across, down = cell / 2 - corner
    rows = lines(size, cell[1], width, angle, down - size[0] / 2 * np.sin(angle))
    columns = lines(size, cell[0], width, angle + np.pi / 2, across + size[1] / 2 * np.sin(angle))
    return np.maximum(rows, columns)


def one_bit(digit: Digit, rng: Generator) -> bytes:
    """Scan in pure black and white; in half of the scans a few pixels are flipped."""
    scan = sensed(rng, sheet(digit, rng)[0], rng.uniform(0.3, 0.8), 2).convert("L")
    white = np.asarray(scan) > rng.uniform(110, 190)
    if rng.random() < 0.5:
        white ^= rng.random(white.shape) < 0.003
    return png(Image.fromarray(white))


def cut(digit: Digit, rng: Generator, least: float, most: float) -> bytes:
    """Draw a digit with a share of its height or width cut off by one of the picture's edges."""
    strokes, height = handwriting(digit, rng), rng.uniform(120, 350)
    size, extent = around(rng, strokes, height, 0.3, 2), strokes.extent(height)
    centre = np.array(spot(rng, size, extent, 4))
    axis, inside = rng.integers(2), (0.5 - rng.uniform(least, most)) * extent
    centre[axis] = inside[axis] if rng.random() < 0.5 else size[axis] - inside[axis]
    ink = stamp(size, strokes, height, pair(centre))
    return scanned(rng, paint(plain(size, off_white(rng)), ink, ink_colour(rng)))


def specks(digit: Digit, rng: Generator) -> bytes:
    """Scan a dirty sheet: dark specks, smudges and a coffee ring."""
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
    """Draw a mask of ellipses at random places, with radii in a range."""
    mask = Image.new("L", size)
    for _ in range(count):
        (x, y), (a, b) = rng.uniform(0, 1, 2) * size, rng.uniform(least, most, 2)
        ImageDraw.Draw(mask).ellipse((x - a, y - b, x + a, y + b), fill=255)
    return mask


def ring_stain(rng: Generator, size: Size, height: float) -> Map:
    """Draw a mask of the stain of a wet cup: a ring with a sharp rim and a faint inside."""
    x, y = (np.arange(side, dtype=np.float32) for side in size)
    centre, radius = rng.uniform(0, 1, 2) * size, rng.uniform(0.5, 1) * height
    inside = radius - np.hypot(x - centre[0], (y - centre[1])[:, None]) + 0.015 * height * clouds(rng, size, 8, 8)
    rim = np.exp(-np.abs(inside) / (0.02 * height))
    return (rim + 0.25 * rise(inside / 3)) * (0.8 + 0.2 * clouds(rng, size, 6, 6).clip(-1, 1))


def cut_off_neighbours(digit: Digit, rng: Generator) -> bytes:
    """Draw a digit from a row or column: the picture's edges cut through one or two neighbours."""
    strokes, height = handwriting(digit, rng), rng.uniform(120, 300)
    pads, seen = rng.uniform(0.3, 0.8, 4) * height, {}
    for side in rng.choice(4, rng.integers(1, 3), replace=False):
        other = handwriting(random_digit(rng), rng)
        seen[side] = other, rng.uniform(0.3, 0.65) * other.extent(height)[side % 2]
        pads[side] = seen[side][1] + rng.uniform(0.2, 0.5) * height
    extent = strokes.extent(height)
    centre = pads[:2] + extent / 2
    size = to_size(pads[:2] + extent + pads[2:])
    ink = stamp(size, strokes, height, pair(centre))
    for side, (other, visible) in seen.items():
        place = centre + rng.uniform(-0.15, 0.15, 2) * height
        half = other.extent(height)[side % 2] / 2
        place[side % 2] = visible - half if side < 2 else size[side % 2] - visible + half
        ink = np.maximum(ink, stamp(size, other, height, pair(place)))
    return scanned(rng, paint(plain(size, off_white(rng)), ink, ink_colour(rng)))


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
    "slightly-cut": partial(cut, least=0.03, most=0.08),
    "quarter-cut": partial(cut, least=0.25, most=0.25),
    "printed-grid": printed_grid,
    "grid-through": grid_through,
    "one-bit-scan": one_bit,
    **CROPS,
}


def render(scene: str, digit: Digit, seed: int, index: int) -> bytes:
    """Render a digit in a scene."""
    return SCENES[scene](digit, np.random.default_rng([seed, crc32(scene.encode()), index]))
