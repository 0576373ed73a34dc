"""A picture of a filled sheet → what is written in the fields of its form."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.form.crop import contrast_of, field_on, largest_piece
from app.form.finding import landmarks_of
from app.form.form import Form, FormField, FormPage, NotThisForm, Sum
from app.form.landmarks import landmarks_in
from app.form.placement import SURE_FIT, Placement, applied, placed
from app.form.sums import Candidate, adds_up, likeliest_sum
from app.picture.decode import Picture
from app.picture.maps import PixelBox
from app.picture.shown import Shown, shown
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
CANDIDATES = 5  # other texts of fields that add up
DOUBT = 0.5  # the highest confidence of a field that does not add up with others
UNREADABLE = Transcription((), 0.0)


def unheeded(count: int) -> None:
    """Let any number of fields be read."""


@dataclass(frozen=True)
class FormOptions:
    """How to read a filled sheet.

    Attributes
    ----------
    forms : tuple of Form
        The sheet is of one of these.
    page : int, optional
        Which page of a TIFF or PDF, as for `open_image`.
    alternatives : int
        Number of other texts to return for each field.
    with_picture : bool
        Whether to return the upright sheet, and each field's crop.
    """

    forms: tuple[Form, ...]
    page: int | None = None
    alternatives: int = 0
    with_picture: bool = False


class FieldText(NamedTuple):
    """What is written in a field.

    Attributes
    ----------
    field : FormField
        The field.
    text : Transcription
        What is written there.
    empty : float
        Probability that nothing is.
    box : PixelBox
        Its bounding box, in pixels of the upright sheet.
    alternatives : sequence or None
        Other texts with their probabilities, if requested.
    is_in_doubt : bool
        Whether it is part of a sum that does not add up.
    picture : Shown or None
        Its crop, if requested.
    """

    field: FormField
    text: Transcription
    empty: float
    box: PixelBox
    alternatives: Sequence[tuple[str, float]] | None = None
    is_in_doubt: bool = False
    picture: Shown | None = None

    @property
    def value(self) -> str | None:
        """What it means in its format, or else what is written."""
        return self.text.text if self.text.has_format is None else self.text.value

    @property
    def confidence(self) -> float:
        """Probability that this, or nothing, is written there; 0 if it has to be.

        Of fields that do not add up, at least one is wrong.
        """
        if not self.text.lines:
            share = 0.0 if self.field.required else self.empty
        else:
            share = self.text.confidence
        return min(share, DOUBT) if self.is_in_doubt else share

    @property
    def candidates(self) -> list[Candidate]:
        """What may be written there."""
        own = Candidate(self.text.text, self.value, self.confidence)
        rules = self.field.field.rules
        others = []
        for text, share in self.alternatives or ():
            meaning = rules.meaning(text) if rules else None
            others.append(Candidate(text, meaning.value if meaning else text, share))
        return [own, *others]


class FilledSheet(NamedTuple):
    """A sheet of a form, and what is written in its fields.

    Attributes
    ----------
    form : str
        The form's name.
    fit : float
        Share of the form's landmarks that are on the sheet.
    turn : int
        By how many degrees the picture was turned, counter-clockwise, to be upright.
    fields : tuple of FieldText
        In the form's order.
    picture : Shown or None
        The upright sheet, if requested.
    model : str
        The versions of the files that read it.
    """

    form: str
    fit: float
    turn: int
    fields: tuple[FieldText, ...]
    picture: Shown | None = None
    model: str = ""

    @property
    def confidence(self) -> float:
        """Probability that all fields are right."""
        return math.prod(each.confidence for each in self.fields)


class Found(NamedTuple):
    """A page of a form, where it lies on a picture, and the degrees by which that was
    turned, counter-clockwise, to find it.
    """

    form: Form
    page: FormPage
    placement: Placement
    picture: Picture
    turn: int


class Cut(NamedTuple):
    """A field's picture, the size of its largest piece of ink over its height, and its
    box in pixels of the upright sheet.
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
    """Read the fields of a filled sheet.

    Parameters
    ----------
    picture : Picture
        The sheet, from `text.reading.decoded`.
    network : LineNetwork
        The line network.
    pages : PageNetwork
        The network that finds lines of writing.
    options : FormOptions
        The forms, and how to read.
    on_fields : callable
        Called before fields are read, with their number; it may raise an exception.

    Raises
    ------
    NotThisForm
        The picture shows no sheet of these forms.
    """
    found = found_on(picture, pages, options.forms)
    on_fields(len(found.page.fields))
    turn = upright_turn(found.placement.place, found.page.size)
    upright = found.picture.turned(turn)
    candidates = options.alternatives
    if found.page.sums:
        candidates = max(candidates, CANDIDATES)
    read = [
        field_in(cut, network, pages, candidates, options.with_picture)
        for cut in fields_on(found, turn, upright)
    ]
    for each in found.page.sums:
        read = checked(read, each)
    if candidates > options.alternatives:
        read = [first_of(field, options.alternatives) for field in read]
    return FilledSheet(
        found.form.name,
        found.placement.fit,
        (found.turn + turn) % 360,
        tuple(read),
        shown(upright) if options.with_picture else None,
    )


def fields_on(found: Found, turn: int, upright: Picture) -> Iterator[Cut]:
    """Cut out the fields of a placed sheet."""
    sheet = Sheet.of(found.picture)
    contrast = contrast_of(sheet)
    printed = landmarks_in(found.page)
    size = found.picture.width, found.picture.height
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


def found_on(picture: Picture, pages: PageNetwork, forms: Sequence[Form]) -> Found:
    """Find a sheet of one of the forms; raise NotThisForm."""
    best: Found | None = None
    for degrees in (0, 90):
        turned = picture.turned(degrees)
        seen = landmarks_of(turned, pages)
        for form in forms:
            for page in form.pages:
                placement = placed(landmarks_in(page), seen)
                if placement and (best is None or placement.fit > best.placement.fit):
                    best = Found(form, page, placement, turned, degrees)
        if best and best.placement.fit >= SURE_FIT:
            break
    if best is None or not is_of_form(best.placement):
        names = ", ".join(form.name for form in forms)
        raise NotThisForm(
            f"The picture shows no sheet of the form {names}: send a scan or photo of "
            "all of the sheet, or choose another form."
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


def checked(fields: Sequence[FieldText], of: Sum) -> list[FieldText]:
    """Return fields in doubt if they do not add up; then the most probable texts that
    do are their first alternatives.
    """
    by_name = {each.field.name: each for each in fields}
    parts, total = [by_name[name] for name in of.fields], by_name[of.total]
    own = [each.candidates[0] for each in (*parts, total)]
    if adds_up(own[:-1], own[-1]):
        return [*fields]
    found = likeliest_sum([each.candidates for each in parts], total.candidates)
    meant = found or own
    for each, candidate in zip((*parts, total), meant, strict=True):
        others = [*(each.alternatives or ())]
        if candidate.text != each.text.text:
            others.sort(key=lambda other: other[0] != candidate.text)
        by_name[each.field.name] = each._replace(alternatives=others, is_in_doubt=True)
    return [by_name[each.field.name] for each in fields]


def first_of(field: FieldText, count: int) -> FieldText:
    """Return a field with the alternatives that were asked for, or that are offered
    since it does not add up.
    """
    if field.is_in_doubt or not field.alternatives:
        return field
    return field._replace(alternatives=field.alternatives[:count] if count else None)


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
