"""A filled sheet: what is written in its fields, and whether that adds up."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from app.form.form import Form, FormField, Sum
from app.form.sums import Candidate, adds_up, likeliest_sum
from app.picture.maps import PixelBox
from app.picture.shown import Shown
from app.text.transcription import Transcription

CANDIDATES = 5  # other texts of fields that add up
DOUBT = 0.5  # the highest confidence of a field that does not add up with others


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
        Its bounding box, in pixels of the upright page.
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


class FilledPage(NamedTuple):
    """A page of a filled sheet.

    Attributes
    ----------
    page : int
        Its number in the file.
    fit : float
        Share of the form's landmarks that are on it.
    turn : int
        By how many degrees the picture was turned, counter-clockwise, to be upright.
    fields : tuple of FieldText
        In the form's order.
    picture : Shown or None
        The upright page, if requested.
    """

    page: int
    fit: float
    turn: int
    fields: tuple[FieldText, ...]
    picture: Shown | None = None


class FilledSheet(NamedTuple):
    """The pages of a filled sheet that have been read.

    Attributes
    ----------
    form : str
        The form's name.
    pages : tuple of FilledPage
        In the form's order.
    model : str
        The versions of the files that read it.
    """

    form: str
    pages: tuple[FilledPage, ...]
    model: str = ""

    @property
    def fields(self) -> list[FieldText]:
        """The fields of all pages."""
        return [field for page in self.pages for field in page.fields]

    @property
    def fit(self) -> float:
        """That of the page that fits least."""
        return min(page.fit for page in self.pages)

    @property
    def confidence(self) -> float:
        """Probability that all fields are right."""
        return math.prod(each.confidence for each in self.fields)


def with_sums(sheet: FilledSheet, form: Form, alternatives: int) -> FilledSheet:
    """Return a sheet with fields in doubt if they do not add up, and as many
    alternatives as were asked for.
    """
    fields = {each.field.name: each for each in sheet.fields}
    for each in form.sums:
        fields |= checked(fields, each)
    asked = {name: first_of(each, alternatives) for name, each in fields.items()}

    def page_of(page: FilledPage) -> FilledPage:
        found = tuple(asked[each.field.name] for each in page.fields)
        return page._replace(fields=found)

    return sheet._replace(pages=tuple(map(page_of, sheet.pages)))


def checked(fields: dict[str, FieldText], of: Sum) -> dict[str, FieldText]:
    """Return the fields that do not add up, in doubt; then the most probable texts that
    do are their first alternatives.
    """
    parts, total = [fields[name] for name in of.fields], fields[of.total]
    own = [each.candidates[0] for each in (*parts, total)]
    if adds_up(own[:-1], own[-1]):
        return {}
    found = likeliest_sum([each.candidates for each in parts], total.candidates)
    doubtful = {}
    for each, candidate in zip((*parts, total), found or own, strict=True):
        others = [*(each.alternatives or ())]
        if candidate.text != each.text.text:
            others.sort(key=lambda other: other[0] != candidate.text)
        name = each.field.name
        doubtful[name] = each._replace(alternatives=others, is_in_doubt=True)
    return doubtful


def first_of(field: FieldText, count: int) -> FieldText:
    """Return a field with the alternatives that were asked for, or that are offered
    since it does not add up.
    """
    if field.is_in_doubt or not field.alternatives:
        return field
    return field._replace(alternatives=field.alternatives[:count] if count else None)
