"""Measure how filled sheets of printed forms are placed, and how their fields are read.

    make forms [ARGS="--count 20 --split validation"]
    make forms ARGS="--lines DIR"

The three forms of `filled_forms` are filled in with MNIST's digits, scanned and
photographed; their fields are integers. With `--lines`, those without combs are filled
in with the pictures of numbers in DIR, which holds `images/` and `labels.csv` (columns
filename and label), and their fields are read as they are written.

A sheet is placed if no corner of a field is off by more than a tenth of the field's
height. Its fields are also read as they are cut out by hand: with the map by which the
sheet was made. With a confidence of 0.9 or more, nobody has to look at a field.
Everything runs on one core. Needs the extra `training`.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from app.form.crop import corners_of, field_on
from app.form.finding import MIN_TICK, landmarks_of
from app.form.form import (
    FieldBox,
    Form,
    FormField,
    FormLandmarks,
    FormPage,
    NotThisForm,
)
from app.form.landmarks import landmarks_in
from app.form.placement import applied
from app.form.proposal import fractions
from app.form.reading import FieldText, FormOptions, found_on, sheet_in, text_of_field
from app.labels import labels_of
from app.picture.opening import open_image
from app.text.formats import FormatName
from app.text.reading import TextOptions, decoded
from app.text.strips import Sheet
from filled_forms import FORMS, Hand, Print, of_digits, of_lines, printed, sheet
from filled_forms import Sheet as Filled
from measuring import Seed, Served, Split, header, held_out, on_one_core, percent, row

EXACT = 0.1  # of a field's height
SURE = 0.9
CAPTURES = "scan", "photo"


def form_of(form: Print, networks: Served, of_field: FormatName | None) -> Form:
    """Make the form of a printed one, whose fields have this format."""
    assert networks.pages is not None
    picture = decoded(open_image(printed(form)))
    found = landmarks_of(Sheet.of(picture), networks.pages, MIN_TICK)
    width, height = found.size
    fields = []
    for blank in form.blanks:
        left, top, right, bottom = blank.box
        box = FieldBox(
            left=left / width,
            top=top / height,
            width=(right - left) / width,
            height=(bottom - top) / height,
        )
        fields.append(FormField(name=blank.name, box=box, format=of_field))
    landmarks = FormLandmarks(
        writing=fractions(found.writing, found.size),
        rules=fractions(found.rules, found.size),
    )
    page = FormPage(width=width, height=height, landmarks=landmarks, fields=fields)
    return Form(name=form.name, pages=[page])


class Read(NamedTuple):
    """What is written in a field, and the value that is read, with its confidence: on
    the placed sheet, and cut out by hand. It is None for a text without the format.
    """

    written: str
    value: str | None
    confidence: float
    by_hand: str | None


class Measured(NamedTuple):
    """What was measured on the sheets of one form."""

    placed: int
    reads: Sequence[Read]
    seconds: float
    seconds_by_hand: float


def worst_error(form: Form, place: np.ndarray, true: np.ndarray) -> float:
    """Return how far corners of fields are off, over the height of the field."""
    (page,) = form.pages
    worst = 0.0
    for field in page.fields:
        corners = corners_of(field.box, page.size)
        is_at, should = applied(place, corners), applied(true, corners)
        height = np.hypot(*(should[3] - should[0]))
        worst = max(worst, float(np.hypot(*(is_at - should).T).max() / height))
    return worst


def measure(form: Form, sheets: Sequence[Filled], networks: Served) -> Measured:
    """Place and read the sheets of a form."""
    _, lines, pages, _ = networks
    assert pages is not None
    (page,) = form.pages
    placed = 0
    reads = []
    seconds = by_hand = 0.0
    for each in sheets:
        began = time.process_time()
        picture = decoded(open_image(each.file))
        try:
            answer = sheet_in(picture, lines, pages, FormOptions((form,)))
        except NotThisForm:
            continue
        seconds += time.process_time() - began
        where = found_on(picture, pages, (form,))
        assert where.sheet.picture is picture
        placed += worst_error(form, where.placement.place, each.place) <= EXACT
        grey = where.sheet
        for field in answer.fields:
            began = time.process_time()
            crop, _ = field_on(grey, each.place, field.field.box, landmarks_in(page))
            text = text_of_field(crop, lines, pages, TextOptions(field.field.field))
            by_hand += time.process_time() - began
            alone = field._replace(text=text)
            written = each.written[field.field.name]
            value = value_of(field)
            reads.append(Read(written, value, field.confidence, value_of(alone)))
    return Measured(placed, reads, seconds, by_hand)


def value_of(field: FieldText) -> str | None:
    """Return the value of a field, "" if it is empty."""
    return field.value if field.text.lines else ""


def report(name: str, count: int, refused: str, measured: Measured) -> None:
    """Print a row of the first table."""
    reads = measured.reads
    right = sum(read.value == read.written for read in reads)
    by_hand = sum(read.by_hand == read.written for read in reads)
    sure = [read for read in reads if read.confidence >= SURE]
    wrong = sum(read.value != read.written for read in sure)
    empty = sum(not read.written and read.confidence >= SURE for read in reads)
    blanks = sum(not read.written for read in reads)
    row(
        [
            name,
            f"{measured.placed} of {count}",
            refused,
            percent(right, len(reads)),
            f"{100 * by_hand / len(reads):.1f} %",
            f"{100 * len(sure) / len(reads):.0f} %",
            f"{wrong} of {len(sure)}",
            f"{empty} of {blanks}",
            f"{1000 * measured.seconds / count:.0f}",
            f"{1000 * measured.seconds_by_hand / count:.0f}",
        ]
    )


def refusals(
    forms: Sequence[Form], name: str, sheets: Sequence[Filled], networks: Served
) -> str:
    """Return on how many sheets no other form is found."""
    assert networks.pages is not None
    others = [form for form in forms if form.name != name]
    refused = 0
    for each in sheets:
        picture = decoded(open_image(each.file))
        try:
            found_on(picture, networks.pages, others)
        except NotThisForm:
            refused += 1
    return f"{refused} of {len(sheets)}"


def main(
    count: Annotated[int, typer.Option(min=1, help="Sheets of each form.")] = 100,
    split: Split = "test",
    seed: Seed = 0,
    lines: Annotated[
        Path | None, typer.Option(help="Fill in pictures of numbers from this folder.")
    ] = None,
) -> None:
    """Measure each form, scanned and photographed."""
    on_one_core()
    networks = Served.committed()
    prints = [draw() for draw in FORMS]
    hand_of: Callable[[np.random.Generator], Hand]
    if lines:
        prints = [form for form in prints if not form.blanks[0].has_cells]
        hand_of = partial(of_lines, labels_of(lines))
    else:
        digits = held_out(split)
        hand_of = partial(of_digits, digits.images.numpy(), digits.labels.numpy())
    format = None if lines else "integer"
    forms = [form_of(form, networks, format) for form in prints]
    header(
        "form",
        "placed",
        "others refused",
        "right (95 % interval)",
        "cut by hand",
        "at 0.9",
        "wrong at 0.9",
        "empty at 0.9",
        "ms",
        "ms by hand",
    )
    for number, (form, print_) in enumerate(zip(forms, prints, strict=True)):
        for capture in CAPTURES:
            sheets = []
            for index in range(count):
                rng = np.random.default_rng([seed, number, index, capture == "photo"])
                is_photo = capture == "photo"
                sheets.append(sheet(print_, hand_of(rng), rng, index, is_photo))
            refused = refusals(forms, form.name, sheets, networks)
            measured = measure(form, sheets, networks)
            report(f"{form.name}, {capture}", count, refused, measured)


if __name__ == "__main__":
    typer.run(main)
