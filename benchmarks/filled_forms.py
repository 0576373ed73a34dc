"""Printed forms, filled in with MNIST's digits or pictures of numbers, scanned and
photographed: where each field is on a sheet is known.
"""

import math
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from app.labels import LabelledPage

WIDTH, HEIGHT = 1240, 1754  # A4 at 150 dots per inch
SMALL, LARGE = (ImageFont.load_default(size) for size in (30, 52))
PAPER = 250
FIELD_HEIGHT = 78
LINE_ROOM = 290, 68  # largest width and height of a picture that is pasted in
Box = tuple[int, int, int, int]  # left, top, right, bottom
Floats = NDArray[np.float64]
# Writes a number of so many digits; returns it, and its picture, dark on light.
Hand = Callable[[int], tuple[str, Image.Image]]


class Blank(NamedTuple):
    """A printed field: its name, where it is, and how many digits are written in it."""

    name: str
    box: Box
    digits: int
    has_cells: bool = False


class Print(NamedTuple):
    """A printed form."""

    name: str
    picture: Image.Image
    blanks: tuple[Blank, ...]


class Sheet(NamedTuple):
    """A filled sheet: its file, what is written, and the projective map (3, 3) from
    pixels of the form to pixels of the sheet.
    """

    file: bytes
    written: dict[str, str]
    place: Floats


def blank_page(title: str, footer: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Print what all forms have."""
    page = Image.new("L", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((150, 110), title, 0, LARGE)
    draw.text((150, 190), "Please write clearly, one digit after the other.", 0, SMALL)
    draw.text((150, 1600), footer, 0, SMALL)
    return page, draw


def table() -> Print:
    """Print a table with lines: eight rows of a name and two fields."""
    page, draw = blank_page("Meter readings", "Return to the office by the 5th.")
    names = [
        "Hall",
        "Kitchen",
        "Cellar",
        "Office",
        "Garage",
        "Attic",
        "Stairs",
        "Garden",
    ]
    columns = 150, 460, 780, 1090
    top, step = 330, FIELD_HEIGHT + 10
    for place, heading in enumerate(("Room", "Reading", "Persons")):
        draw.text((columns[place] + 14, top + 22), heading, 0, SMALL)
    blanks = []
    for row, name in enumerate(names, 1):
        y = top + step * row
        draw.text((columns[0] + 14, y + 22), name, 0, SMALL)
        for column, digits in ((1, 4), (2, 2)):
            box = columns[column], y, columns[column + 1], y + step
            heading = ("reading", "persons")[column - 1]
            blanks.append(Blank(f"{name.lower()}_{heading}", box, digits))
    for row in range(len(names) + 2):
        y = top + step * row
        draw.line((columns[0], y, columns[-1], y), 0, 3)
    for x in columns:
        draw.line((x, top, x, top + step * (len(names) + 1)), 0, 3)
    return Print("table", page, tuple(blanks))


def combs() -> Print:
    """Print combs: boxes with a tick between two digits, below their labels."""
    page, draw = blank_page("Exam sheet", "Examination office, room 12, ground floor")
    blanks = []
    places = [
        ("Student number", 150, 330, 6),
        ("Room", 800, 330, 3),
        ("Task one", 150, 540, 2),
        ("Task two", 480, 540, 2),
        ("Task three", 800, 540, 2),
        ("Total points", 150, 750, 3),
        ("Minutes", 800, 750, 3),
        ("Seat", 150, 960, 4),
    ]
    cell = 62
    for label, left, top, digits in places:
        draw.text((left, top - 46), label, 0, SMALL)
        box = left, top, left + cell * digits, top + FIELD_HEIGHT
        draw.rectangle(box, outline=0, width=3)
        for place in range(1, digits):
            x = left + cell * place
            draw.line((x, box[3] - 24, x, box[3]), 0, 3)
        blanks.append(Blank(label.lower().replace(" ", "_"), box, digits, True))
    return Print("combs", page, tuple(blanks))


def lines() -> Print:
    """Print labels, each followed by a line to write on."""
    page, draw = blank_page("Delivery note", "Keep a copy. Goods are checked.")
    blanks = []
    labels = [
        ("Order number", 5),
        ("Article", 4),
        ("Pieces", 3),
        ("Weight in kg", 3),
        ("Boxes", 2),
        ("Driver", 4),
        ("Gate", 1),
    ]
    for row, (label, digits) in enumerate(labels):
        y = 360 + 140 * row
        draw.text((150, y - 42), f"{label}:", 0, SMALL)
        draw.line((430, y, 900, y), 0, 2)
        box = 430, y - FIELD_HEIGHT + 6, 900, y + 6
        blanks.append(Blank(label.lower().replace(" ", "_"), box, digits))
    return Print("lines", page, tuple(blanks))


FORMS = table, combs, lines


def filled(
    form: Print, hand: Hand, rng: Generator, share_empty: float = 0.1
) -> tuple[Image.Image, dict[str, str]]:
    """Write numbers into most fields; return the page, and what is written."""
    page = form.picture.copy()
    written = {}
    for blank in form.blanks:
        if rng.random() < share_empty:
            written[blank.name] = ""
            continue
        if blank.has_cells:
            written[blank.name] = in_cells(page, blank, hand, rng)
            continue
        text, ink = hand(blank.digits)
        room = max(1, blank.box[2] - blank.box[0] - ink.width - 20)
        x = blank.box[0] + 10 + int(rng.integers(0, min(room, 120)))
        write(page, ink, x, middle(blank, ink, rng))
        written[blank.name] = text
    return page, written


def in_cells(page: Image.Image, blank: Blank, hand: Hand, rng: Generator) -> str:
    """Write a digit into each cell of a comb; return what is written."""
    cell = (blank.box[2] - blank.box[0]) / blank.digits
    written = ""
    for place in range(blank.digits):
        digit, ink = hand(1)
        x = blank.box[0] + cell * (place + 0.5) - ink.width / 2
        write(page, ink, round(x), middle(blank, ink, rng))
        written += digit
    return written


def middle(blank: Blank, ink: Image.Image, rng: Generator) -> int:
    """Return the top of ink that is about in the middle of a field."""
    _, top, _, bottom = blank.box
    return round((top + bottom - ink.height) / 2 + rng.normal(0, 3))


def write(page: Image.Image, ink: Image.Image, left: int, top: int) -> None:
    """Put dark ink on a page."""
    box = left, top, left + ink.width, top + ink.height
    page.paste(Image.fromarray(np.minimum(np.asarray(page.crop(box)), ink)), box[:2])


def of_digits(
    images: NDArray[np.uint8], labels: NDArray[np.int64], rng: Generator
) -> Hand:
    """Return a hand that writes MNIST's digits, (N, 28, 28), ink 255."""
    places = [np.flatnonzero(labels == digit) for digit in range(10)]

    def write_number(count: int) -> tuple[str, Image.Image]:
        text = "".join(map(str, rng.integers(0, 10, count)))
        side = 54
        step = int(rng.integers(36, 44))
        pen = rng.uniform(0.75, 1)
        sheet = np.full((side, step * (len(text) - 1) + side), PAPER, np.float32)
        for place, digit in enumerate(text):
            glyph = Image.fromarray(images[rng.choice(places[int(digit)])])
            ink = np.asarray(glyph.resize((side, side)), np.float32) / 255
            part = sheet[:, step * place : step * place + side]
            np.minimum(part, PAPER * (1 - pen * ink), out=part)
        return text, Image.fromarray(sheet.astype(np.uint8))

    return write_number


def of_lines(labels: Mapping[LabelledPage, str], rng: Generator) -> Hand:
    """Return a hand that pastes labelled pictures of numbers, whatever their length."""
    pictures = [*labels]

    def paste_number(_: int) -> tuple[str, Image.Image]:
        chosen = pictures[rng.integers(len(pictures))]
        picture = Image.open(chosen.file).convert("L")
        picture.thumbnail(LINE_ROOM, Image.Resampling.LANCZOS)
        levels = np.asarray(picture, np.float32)
        levels = levels * (PAPER / np.median(levels))
        return labels[chosen], Image.fromarray(levels.clip(0, 255).astype(np.uint8))

    return paste_number


def homography(before: Floats, after: Floats) -> Floats:
    """Return the projective map (3, 3) that takes four points (4, 2) to others."""
    rows = []
    for (x, y), (u, v) in zip(before, after, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    solved = np.linalg.solve(np.array(rows, float), after.ravel())
    return np.append(solved, 1.0).reshape(3, 3)


def scanned(
    page: Image.Image, rng: Generator, number: int
) -> tuple[Image.Image, Floats]:
    """Scan a page: shifted, scaled by 0.8 to 1.25, tilted to ten degrees, a tenth
    upside down, a tenth with a corner missing.
    """
    scale = rng.uniform(0.8, 1.25)
    angle = math.radians(rng.uniform(-10, 10) + 180 * (number % 10 == 3))
    width, height = scale * page.width, scale * page.height
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    corners = turn @ corners_of(page)
    margin = rng.uniform(0, 60, 2)
    turn[:2, 2] = margin - corners[:2].min(axis=1)
    size = (np.ptp(corners[:2], axis=1) + margin + rng.uniform(0, 60, 2)).round()
    picture = warped(page, turn, tuple(size.astype(int).tolist()), 252)
    if number % 10 == 7:
        fold = 0.22 * min(width, height)
        draw = ImageDraw.Draw(picture)
        right = turn @ corners_of(page)
        x, y = right[:2, 1]  # the corner at the top right of the form
        draw.ellipse((x - fold, y - fold, x + fold, y + fold), fill=252)
    grain = rng.normal(0, 4, (picture.height, picture.width))
    levels = np.clip(np.asarray(picture) + grain, 0, 255)
    return Image.fromarray(levels.astype(np.uint8)), turn


def photographed(
    page: Image.Image, rng: Generator, number: int
) -> tuple[Image.Image, Floats]:
    """Photograph a page that lies on a table, with shade; a tenth at a mild slant."""
    scale = rng.uniform(0.8, 1.25)
    angle = math.radians(rng.uniform(-10, 10) + 180 * (number % 10 == 3))
    slant = 0.12 if number % 10 == 5 else 0.015
    cos, sin = math.cos(angle), math.sin(angle)
    before = corners_of(page)[:2].T
    centred = scale * (before - before.mean(axis=0))
    after = centred @ np.array([[cos, sin], [-sin, cos]])
    after += rng.uniform(-slant, slant, (4, 2)) * scale * WIDTH
    after -= after.min(axis=0) - rng.uniform(20, 90, 2)
    place = homography(before, after)
    size = (after.max(axis=0) + rng.uniform(20, 90, 2)).round().astype(int)
    table = int(rng.integers(60, 140))
    picture = warped(page, place, tuple(size.tolist()), table)
    y, x = np.mgrid[: picture.height, : picture.width].astype(np.float32)
    direction = rng.uniform(-0.25, 0.25, 2)
    shade = 0.85 + direction[0] * x / picture.width + direction[1] * y / picture.height
    levels = np.asarray(picture) * np.minimum(shade, 1)
    levels += rng.normal(0, 5, levels.shape)
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)), place


def corners_of(page: Image.Image) -> Floats:
    """Return the corners (3, 4) of a page, from the top left one clockwise."""
    width, height = page.size
    return np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]], float)


def warped(
    page: Image.Image, place: Floats, size: tuple[int, ...], ground: int
) -> Image.Image:
    """Map a page onto a picture of this size."""
    back = np.linalg.inv(place)
    back /= back[2, 2]
    return page.transform(
        (size[0], size[1]),
        Image.Transform.PERSPECTIVE,
        back.ravel()[:8].tolist(),
        Image.Resampling.BICUBIC,
        fillcolor=ground,
    )


def sheet(
    form: Print, hand: Hand, rng: Generator, number: int, is_photo: bool
) -> Sheet:
    """Fill in a form, and scan or photograph it."""
    page, written = filled(form, hand, rng)
    capture = photographed if is_photo else scanned
    picture, place = capture(page, rng, number)
    file = BytesIO()
    picture.save(file, "JPEG", quality=80 if is_photo else 92)
    return Sheet(file.getvalue(), written, place)


def printed(form: Print) -> bytes:
    """Return the empty form as a PNG."""
    file = BytesIO()
    form.picture.save(file, "PNG")
    return file.getvalue()
