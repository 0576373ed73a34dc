"""A page of a filled sheet → what is written in the fields of its form."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.form.crop import contrast_of, field_on, largest_piece
from app.form.finding import landmarks_of
from app.form.form import Form, FormField, FormPage, NotThisForm
from app.form.landmarks import landmarks_in
from app.form.placement import SURE_FIT, Placement, applied, placed
from app.form.sheet import CANDIDATES, FieldText, FilledPage, FilledSheet, with_sums
from app.picture.decode import Picture
from app.picture.errors import NoSuchPage, PictureError
from app.picture.maps import PixelBox
from app.picture.shown import shown
from app.text.layout import Floats
from app.text.limits import TooMuchWriting
from app.text.line_network import LineNetwork
from app.text.pages import PageNetwork
from app.text.reading import ImpossibleLength, TextOptions, text_in
from app.text.strips import Sheet
from app.text.transcription import Transcription

# Share of the landmarks, and number of their ends, from which a sheet is of a form.
LEAST_FIT = 0.5
LEAST_ENDS = 8
# Size of a piece of ink, over the field's height, that is as likely dirt as writing,
# and the step by which the odds rise e-fold: the largest one is below 0.24 in 99 % of
# empty fields, and above 0.5 in others.
SPECK, SPREAD = 0.25, 0.04
UNREADABLE = Transcription((), 0.0)


def unheeded(count: int) -> None:
    """Let any number of fields be read."""


@dataclass(frozen=True)
class FormOptions:
    """How to read the next page of a filled sheet.

    Attributes
    ----------
    forms : tuple of Form
        The sheet is of one of these, which have as many pages.
    pages : tuple of int
        The pages of a TIFF or PDF that are those of the sheet, in the form's order.
    before : FilledSheet, optional
        The pages of the sheet that have been read.
    alternatives : int
        Number of other texts to return for each field.
    with_picture : bool
        Whether to return the upright pages, and each field's crop.
    """

    forms: tuple[Form, ...]
    pages: tuple[int, ...] = (1,)
    before: FilledSheet | None = None
    alternatives: int = 0
    with_picture: bool = False

    @property
    def number(self) -> int:
        """The number of pages that have been read."""
        return len(self.before.pages) if self.before else 0

    @property
    def page(self) -> int:
        """The page of the file to read next."""
        return self.pages[self.number]

    @property
    def candidates(self) -> list[Form]:
        """The forms that the sheet may be of: one, once a page is read."""
        before = self.before
        return [each for each in self.forms if not before or each.name == before.form]


def sheets_of(pages: Sequence[int], forms: Sequence[Form]) -> list[tuple[int, ...]]:
    """Divide pages of a file into sheets of forms; the last sheet goes on with the
    pages that follow, as in (1, 2), (5, 6) for 1, 2, 5.
    """
    count = len(forms[0].pages)
    following = range(pages[-1] + 1, pages[-1] + count)
    both = [*pages, *following]
    return [tuple(both[n : n + count]) for n in range(0, len(pages), count)]


@contextmanager
def page_named(options: FormOptions) -> Iterator[None]:
    """Name the page of a sheet with several that cannot be read; raise NotThisForm if
    there is none.
    """
    count = len(options.pages)
    try:
        yield
    except NoSuchPage as error:
        if not options.before:
            raise
        raise NotThisForm(
            f"The form {options.before.form} has {count} pages, and the file ends "
            f"after {options.number} of a sheet: put the pages of each sheet, in the "
            "form's order, into one PDF or TIFF."
        ) from error
    except PictureError as error:
        if count == 1:
            raise
        raise type(error)(f"Page {options.page}: {error}") from error


class Found(NamedTuple):
    """A page of a form, where it lies on a sheet, and the degrees by which that was
    turned, counter-clockwise, to find it.
    """

    form: Form
    page: FormPage
    placement: Placement
    sheet: Sheet
    turn: int


class Cut(NamedTuple):
    """A field's picture, the size of its largest piece of ink over its height, and its
    box in pixels of the upright page.
    """

    field: FormField
    picture: Picture
    largest: float
    box: PixelBox


def sheet_in(
    picture: Picture,
    network: LineNetwork,
    pages: PageNetwork,
    options: FormOptions,
    on_fields: Callable[[int], object] = unheeded,
) -> FilledSheet:
    """Read the next page of a filled sheet; return it with those before.

    Parameters
    ----------
    picture : Picture
        The page, from `text.reading.decoded`.
    network : LineNetwork
        The line network.
    pages : PageNetwork
        The network that finds lines of writing.
    options : FormOptions
        The forms, the pages before, and how to read.
    on_fields : callable
        Called before fields are read, with their number; it may raise an exception.

    Raises
    ------
    NotThisForm
        The picture shows no such page of these forms.
    """
    found = found_on(picture, pages, options.candidates, options.number)
    on_fields(len(found.page.fields))
    turn = upright_turn(found.placement.place, found.page.size)
    upright = found.sheet.picture.turned(turn)
    alternatives = options.alternatives
    if found.form.sums:
        alternatives = max(alternatives, CANDIDATES)
    read = FilledPage(
        page=options.page,
        fit=found.placement.fit,
        turn=(found.turn + turn) % 360,
        fields=tuple(
            field_in(cut, network, pages, alternatives, options.with_picture)
            for cut in fields_on(found, turn, upright)
        ),
        picture=shown(upright) if options.with_picture else None,
    )
    before = options.before.pages if options.before else ()
    sheet = FilledSheet(found.form.name, (*before, read))
    is_whole = len(sheet.pages) == len(found.form.pages)
    return with_sums(sheet, found.form, options.alternatives) if is_whole else sheet


def fields_on(found: Found, turn: int, upright: Picture) -> Iterator[Cut]:
    """Cut out the fields of a placed page."""
    sheet = found.sheet
    contrast = contrast_of(sheet)
    printed = landmarks_in(found.page)
    size = sheet.picture.width, sheet.picture.height
    for field in found.page.fields:
        crop, corners = field_on(sheet, found.placement.place, field.box, printed)
        box = bounding_box(turned_points(corners, size, turn), upright)
        yield Cut(field, crop, largest_piece(crop, contrast), box)


def field_in(
    cut: Cut,
    network: LineNetwork,
    pages: PageNetwork,
    alternatives: int,
    with_picture: bool,
) -> FieldText:
    """Read a field that is cut out."""
    options = TextOptions(cut.field.field, alternatives=alternatives)
    text = text_of_field(cut.picture, network, pages, options)
    return FieldText(
        field=cut.field,
        text=text,
        empty=emptiness(text, cut.largest),
        box=cut.box,
        alternatives=others_of(text) if alternatives else None,
        picture=shown(cut.picture) if with_picture else None,
    )


def found_on(
    picture: Picture, pages: PageNetwork, forms: Sequence[Form], number: int = 0
) -> Found:
    """Find the page of this number, from 0 on, of one of the forms; raise
    NotThisForm.
    """
    best: Found | None = None
    for degrees in (0, 90):
        sheet = Sheet.of(picture.turned(degrees))
        seen = landmarks_of(sheet, pages)
        for form in forms:
            page = form.pages[number]
            placement = placed(landmarks_in(page), seen)
            if placement and (best is None or placement.fit > best.placement.fit):
                best = Found(form, page, placement, sheet, degrees)
        if best and best.placement.fit >= SURE_FIT:
            break
    if best is None or not is_of_form(best.placement):
        names = ", ".join(form.name for form in forms)
        has_one = len(forms[0].pages) == 1
        missing = "sheet" if has_one else f"page {number + 1}"
        order = "" if has_one else ", its pages in the form's order"
        raise NotThisForm(
            f"The picture shows no {missing} of the form {names}: send a scan or photo "
            f"of all of the sheet{order}, or choose another form."
        )
    return best


def is_of_form(placement: Placement) -> bool:
    """Return whether so many landmarks are found that a sheet is of the form."""
    return placement.fit >= LEAST_FIT and placement.found >= LEAST_ENDS


def text_of_field(
    crop: Picture, network: LineNetwork, pages: PageNetwork, options: TextOptions
) -> Transcription:
    """Read a field; what cannot be read is an empty text without confidence."""
    try:
        return text_in(crop, network, pages, options)
    except (ImpossibleLength, TooMuchWriting):
        return UNREADABLE


def others_of(text: Transcription) -> Sequence[tuple[str, float]]:
    """Return the other texts of a field, if it has one line."""
    (line,) = text.lines if len(text.lines) == 1 else (None,)
    return (line.alternatives or ()) if line else ()


def emptiness(text: Transcription, size: float) -> float:
    """Return the probability that nothing is written in a field.

    Parameters
    ----------
    text : Transcription
        What is read.
    size : float
        Of the largest piece of ink, over the field's height; see `largest_piece`.
    """
    free = 1 / (1 + math.exp((size - SPECK) / SPREAD))
    return free * (1 - text.confidence) if text.lines else free


def upright_turn(place: Floats, size: tuple[int, int]) -> int:
    """Return by how many degrees a sheet has to be turned, counter-clockwise."""
    middle = np.array([[size[0] / 2, size[1] / 2], [size[0], size[1] / 2]])
    (x1, y1), (x2, y2) = applied(place, middle)
    clockwise = math.degrees(math.atan2(y2 - y1, x2 - x1))
    return 90 * round(clockwise / 90) % 360


def turned_points(points: Floats, size: tuple[int, int], degrees: int) -> Floats:
    """Turn points on a picture of this size with it."""
    width, height = size
    for _ in range(degrees // 90):
        points = np.stack([points[:, 1], width - points[:, 0]], axis=1)
        width, height = height, width
    return points


def bounding_box(points: Floats, picture: Picture) -> PixelBox:
    """Return the box around points, within a picture."""
    left, top = np.floor(points.min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(points.max(axis=0)).astype(int).tolist()
    return PixelBox(top, bottom, left, right).within(picture.width, picture.height)
