"""An empty sheet → a form: its landmarks, and a field for each printed box and cell."""

import numpy as np
from PIL import Image, ImageDraw

from app.form.crop import corners_of
from app.form.finding import MIN_TICK, landmarks_of
from app.form.form import (
    LEAST_LANDMARKS,
    FieldBox,
    Form,
    FormField,
    FormLandmarks,
    FormPage,
    InvalidForm,
    Segments,
)
from app.form.landmarks import Landmarks
from app.form.placement import unit
from app.picture.decode import Picture
from app.picture.maps import PixelBox
from app.picture.pieces import Components
from app.text.layout import Floats
from app.text.pages import PageNetwork
from app.text.strips import Sheet

SIDE = 1000  # longer side of the map on which printed lines enclose fields, in pixels
# Width of printed lines on it, and by how much each end is longer, so that ends that
# nearly meet do.
RULE_WIDTH = 4
HEIGHTS = 12, 120  # of fields on it
MIN_SHAPE = 0.4  # width of a field over its height
FILLED = 0.85  # share of its box that a field fills
MAX_PROPOSED = 200
DIGITS = "0123456789"  # may stand in a comb
DECIMALS = 5  # of fractions of a page


def proposed(picture: Picture, pages: PageNetwork, name: str = "form") -> Form:
    """Find the landmarks of an empty sheet, and propose its fields.

    Parameters
    ----------
    picture : Picture
        The sheet, from `text.reading.decoded`.
    pages : PageNetwork
        The network that finds lines of writing.
    name : str
        The name of the form.

    Returns
    -------
    Form
        Of one page.

    Raises
    ------
    InvalidForm
        The sheet has too little print.
    """
    found = landmarks_of(Sheet.of(picture), pages, MIN_TICK)
    width, height = found.size
    fields = [
        field_in(box, found, f"field{number}")
        for number, box in enumerate(boxes_in(found)[:MAX_PROPOSED], 1)
    ]
    landmarks = FormLandmarks(
        writing=fractions(found.writing, found.size),
        rules=fractions(found.rules, found.size),
    )
    page = FormPage(width=width, height=height, landmarks=landmarks, fields=fields)
    if page.landmark_count < LEAST_LANDMARKS:
        raise InvalidForm(
            "The sample has too little print by which its sheets could be found: send "
            "a scan or photo of all of an empty sheet."
        )
    return Form(name=name, pages=[page])


def field_in(box: FieldBox, landmarks: Landmarks, name: str) -> FormField:
    """Propose a field; with ticks in it, it is a comb, and has digits only."""
    left, top, right, bottom = corners_of(box, landmarks.size)[[0, 2]].ravel()
    x1, y1, x2, y2 = landmarks.rules.T
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    is_steep = abs(y2 - y1) > abs(x2 - x1)
    is_inside = (left < x) & (x < right) & (top < y) & (y < bottom)
    if (is_steep & is_inside).any():
        return FormField(name=name, box=box, characters=DIGITS)
    return FormField(name=name, box=box)


def fractions(segments: Floats, size: tuple[int, int]) -> Segments:
    """Return the ends of landmarks in fractions of the page."""
    found: Segments = (segments / [*size, *size]).round(DECIMALS).tolist()
    return found


def boxes_in(landmarks: Landmarks) -> list[FieldBox]:
    """Return what printed lines enclose, without print in it, in the order of reading.

    Tall and narrow cells beside each other are one field, a comb.
    """
    factor = SIDE / max(landmarks.size)
    width, height = (max(1, round(factor * side)) for side in landmarks.size)
    drawn = Image.new("1", (width, height))
    draw = ImageDraw.Draw(drawn)
    for ends in longer(factor * landmarks.long_rules).tolist():
        draw.line(ends, 1, RULE_WIDTH)
    free = ~np.asarray(drawn)
    found = Components.of(free.astype(np.float32), 1)
    boxes = [PixelBox(*box) for box in found.box[1:].tolist()]
    shares = found.mass[1:] / [
        max(1, (box.bottom - box.top) * (box.right - box.left)) for box in boxes
    ]
    middles = factor * (landmarks.writing[:, :2] + landmarks.writing[:, 2:]) / 2
    cells = [
        box
        for box, share in zip(boxes, shares, strict=True)
        if share >= FILLED and may_be_field(box) and not has_print(box, middles)
    ]
    cells.sort(key=lambda box: (round(box.top / HEIGHTS[0]), box.left))
    return [fraction_of(box, (width, height)) for box in joined(cells)]


def longer(rules: Floats) -> Floats:
    """Make lines (n, 4) longer, at both ends."""
    begin, end = rules[:, :2], rules[:, 2:]
    along = RULE_WIDTH * unit(end - begin)
    return np.hstack([begin - along, end + along])


def may_be_field(box: PixelBox) -> bool:
    """Return whether a number may be written in a box."""
    least, most = HEIGHTS
    height = box.bottom - box.top
    return least <= height <= most and box.right - box.left >= MIN_SHAPE * height


def has_print(box: PixelBox, middles: Floats) -> bool:
    """Return whether the middle of a line of print is in a box."""
    x, y = middles.T
    inside = (box.left <= x) & (x < box.right) & (box.top <= y) & (y < box.bottom)
    return bool(inside.any())


def joined(cells: list[PixelBox]) -> list[PixelBox]:
    """Join tall and narrow cells that touch in a row: each has one digit."""
    fields: list[PixelBox] = []
    for cell in cells:
        before = fields[-1] if fields else None
        if before and is_comb(before, cell):
            fields[-1] = before._replace(right=cell.right)
        else:
            fields.append(cell)
    return fields


def is_comb(before: PixelBox, cell: PixelBox) -> bool:
    """Return whether a cell goes on where a comb, or its first cell, ends."""
    height = cell.bottom - cell.top
    gap = cell.left - before.right
    return (
        cell.right - cell.left <= height
        and 0 <= gap <= 2 * RULE_WIDTH
        and abs(cell.top - before.top) <= RULE_WIDTH
        and abs(cell.bottom - before.bottom) <= RULE_WIDTH
    )


def fraction_of(box: PixelBox, size: tuple[int, int]) -> FieldBox:
    """Return a box in fractions of the page."""
    width, height = size
    return FieldBox(
        left=round(box.left / width, DECIMALS),
        top=round(box.top / height, DECIMALS),
        width=round((box.right - box.left) / width, DECIMALS),
        height=round((box.bottom - box.top) / height, DECIMALS),
    )
