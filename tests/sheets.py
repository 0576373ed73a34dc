"""Filled sheets of printed forms, with real digits, and the forms that find them."""

import json
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image

import filled_forms
from app.form.form import form_in
from app.form.proposal import proposed
from app.picture.opening import open_image
from app.text.reading import decoded
from filled_forms import HEIGHT, WIDTH, Blank, Hand, Sheet
from networks import page_network
from pictures import encode, load_sheet

PRINTS = {draw.__name__: draw() for draw in filled_forms.FORMS}
UPSIDE_DOWN, SLANTED, CUT = 3, 5, 7  # numbers of sheets, see `filled_forms`


def box_of(blank: Blank) -> dict[str, float]:
    """Return a field's box in fractions of the page."""
    left, top, right, bottom = blank.box
    return {
        "left": left / WIDTH,
        "top": top / HEIGHT,
        "width": (right - left) / WIDTH,
        "height": (bottom - top) / HEIGHT,
    }


@cache
def form_of(name: str) -> str:
    """Return the form of a print, as JSON, with its fields where they are."""
    empty = filled_forms.printed(PRINTS[name])
    form = proposed(decoded(open_image(empty)), page_network(), name)
    content = form.model_dump(exclude_unset=True)
    content["pages"][0]["fields"] = [
        {"name": blank.name, "box": box_of(blank)} for blank in PRINTS[name].blanks
    ]
    written = json.dumps(content)
    form_in(written)
    return written


@cache
def two_pages() -> str:
    """Return a form of two pages, the combs and the table, with a sum across them."""
    first, second = (json.loads(form_of(name)) for name in ("combs", "table"))
    pages = [*first["pages"], *second["pages"]]
    for page in pages:
        page["fields"] = page["fields"][:3]
    pages[0]["sums"] = [{"fields": ["room", "task_one"], "total": "hall_reading"}]
    written = json.dumps({"name": "exam", "pages": pages})
    form_in(written)
    return written


def scan(name: str, number: int = 0) -> Image.Image:
    """Return the picture of a filled sheet."""
    return Image.open(BytesIO(sheet(name, number).file))


def hand(rng: np.random.Generator) -> Hand:
    """Return a hand that writes real digits."""
    return filled_forms.of_digits(*load_sheet(), rng)


@cache
def sheet(name: str, number: int = 0, is_photo: bool = False) -> Sheet:
    """Fill in a form, and scan or photograph it."""
    rng = np.random.default_rng(number)
    return filled_forms.sheet(PRINTS[name], hand(rng), rng, number, is_photo)


def turned(file: bytes, degrees: int) -> bytes:
    """Turn a picture counter-clockwise, by a multiple of 90 degrees."""
    return encode(Image.open(BytesIO(file)).rotate(degrees, expand=True), "JPEG")
