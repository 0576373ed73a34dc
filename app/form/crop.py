"""A field on a placed sheet → its picture, upright, and without printed lines."""

import math

import numpy as np
from PIL import Image, ImageDraw

from app.form.form import FieldBox
from app.form.landmarks import Landmarks
from app.form.placement import applied
from app.picture.decode import Picture
from app.picture.maps import Mask, sample
from app.picture.pieces import Components
from app.picture.printed_lines import crossed
from app.text.layout import Floats
from app.text.strips import LEVEL, Sheet

MARGIN = 0.15  # around a field, over its height
# Width of a printed line with what a sheet may be off, over the height of the field.
PRINTED = 0.1
LEAST_CONTRAST = 20.0  # of ink, in levels
INKED = 0.4  # share of the sheet's contrast from which a pixel is ink
LEAST_PRINTED = 5  # the same in pixels


def field_on(
    sheet: Sheet, place: Floats, box: FieldBox, printed: Landmarks
) -> tuple[Picture, Floats]:
    """Cut out a field, with a margin.

    Parameters
    ----------
    sheet : Sheet
        The filled sheet.
    place : NDArray
        (3, 3): the map from pixels of the form to pixels of the sheet's picture.
    box : FieldBox
        The field.
    printed : Landmarks
        What is printed on the form. Its lines are painted over, but not the strokes
        that cross them.

    Returns
    -------
    tuple of Picture and NDArray
        The crop; (4, 2): the field's corners, in pixels of the sheet's picture.
    """
    corners = corners_of(box, printed.size)
    height = corners[3, 1] - corners[0, 1]
    outwards = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    wider = corners + MARGIN * height * outwards
    onto = into_image(sheet.picture) @ place
    ends = applied(onto, wider)
    most = 2 * max(sheet.grey.size)  # where a form hardly fits, maps may be wild
    wide = max(1, round(min(most, math.dist(ends[0], ends[1]))))
    high = max(1, round(min(most, math.dist(ends[0], ends[3]))))
    # From pixels of the crop to those of the form.
    (left, top), (right, _), (_, bottom), _ = wider
    back = np.diag([(right - left) / wide, (bottom - top) / high, 1])
    back[:2, 2] = left, top
    coefficients = onto @ back
    coefficients /= coefficients[2, 2]
    crop = sheet.grey.transform(
        (wide, high),
        Image.Transform.PERSPECTIVE,
        coefficients.ravel()[:8].tolist(),
        Image.Resampling.BICUBIC,
        fillcolor=sheet.ground,
    )
    rules = applied(np.linalg.inv(back), printed.rules.reshape(-1, 2)).reshape(-1, 4)
    clean = without_rules(crop, rules, high / (1 + 2 * MARGIN))
    return Picture(clean, wide, high), applied(place, corners)


def corners_of(box: FieldBox, size: tuple[int, int]) -> Floats:
    """Return the corners (4, 2) of a field on a page of this size, clockwise from the
    top left.
    """
    right, bottom = box.left + box.width, box.top + box.height
    corners = [
        (box.left, box.top),
        (right, box.top),
        (right, bottom),
        (box.left, bottom),
    ]
    return np.array(corners) * size


def into_image(picture: Picture) -> Floats:
    """Return the map (3, 3) from pixels of an upright picture to those of its image."""
    place = np.diag([1 / picture.scale, 1 / picture.scale, 1])
    place[:2, 2] = -picture.left, -picture.top
    return place


def without_rules(crop: Image.Image, rules: Floats, height: float) -> Image.Image:
    """Paint over printed lines of a field of this height; strokes across stay whole."""
    width = max(LEAST_PRINTED, round(PRINTED * height))
    is_level = abs(rules[:, 2] - rules[:, 0]) > abs(rules[:, 3] - rules[:, 1])
    level = drawn(rules[is_level], crop.size, width)
    steep = drawn(rules[~is_level], crop.size, width)
    if not (level.any() or steep.any()):
        return crop
    levels = np.asarray(crop).astype(np.int16)
    ground = int(np.median(levels))
    away = abs(levels - ground)
    inked = away > max(1.0, LEVEL * np.percentile(away, 99))
    stays = inked & ~(level | steep)
    stays |= inked & level & crossed(stays, width)
    stays |= inked & steep & crossed(stays.T, width).T
    clean = crop.copy()
    clean.paste(ground, (0, 0), Image.fromarray((level | steep) & ~stays))
    return clean


def drawn(rules: Floats, size: tuple[int, int], width: int) -> Mask:
    """Draw lines of this width: (H, W)."""
    mask = Image.new("1", size)
    draw = ImageDraw.Draw(mask)
    for x1, y1, x2, y2 in rules.tolist():
        draw.line((x1, y1, x2, y2), 1, width)
    return np.asarray(mask)


def contrast_of(sheet: Sheet) -> float:
    """Return by how many levels the darkest ink on a sheet differs from its ground."""
    levels = sample(np.asarray(sheet.grey)).astype(float)
    return max(LEAST_CONTRAST, float(np.percentile(abs(levels - sheet.ground), 99)))


def largest_piece(crop: Picture, contrast: float) -> float:
    """Return the size of the largest piece of ink in a field, over the field's height.

    What touches only the margin of the crop does not count.
    """
    levels = np.asarray(crop.image).astype(np.float32)
    away = abs(levels - np.median(levels)) / contrast
    height = crop.height / (1 + 2 * MARGIN)
    margin = max(1, round(MARGIN * height / 2))
    inner = away[margin:-margin, margin:-margin]
    found = Components.of(inner, INKED)
    sides = (found.ends - found.starts)[1:]
    return float(np.hypot(*sides.T).max(initial=0)) / height
