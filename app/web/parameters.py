"""The query parameters of the routes that read pictures; unknown ones are errors. And
validation errors, in words.
"""

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, Literal, Self

from fastapi import Query
from pydantic import AfterValidator, ConfigDict
from pydantic import Field as Parameter

from app.answers.responses import Described, OneOrMore, Share
from app.corrections import LABEL
from app.digit.reading import DigitOptions
from app.picture.region import REGION, Region
from app.text.conditions import CheckName
from app.text.field import MAX_CHARACTERS, MAX_DECIMALS, Field, InvalidField
from app.text.formats import DateOrder, FormatName
from app.text.limits import MAX_DIGITS
from app.text.reading import TURNS, TextOptions
from app.web.documents import PAGES

OF_FIELD = {each.name for each in fields(Field)}
MAX_ERRORS = 3  # that are described
MAX_NAME = 60  # characters of the name of a parameter
MAX_FORM_NAMES = 500  # characters
# What a value must be, by the type of Pydantic's error or by the pattern that it lacks,
# with the error's context.
RULES = {
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "must have at least {min_length}",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length}",
    "literal_error": "must be {expected}",
    LABEL: "must be what is written, without spaces around it, up to 200 characters, "
    "or none",
    PAGES: "must be a page, or several, such as 2 or 1,3,7-9,13-",
    REGION: "must be left,top,width,height, in pixels or in fractions",
    "missing": "is missing",
    "extra_forbidden": "is no parameter of this route: /docs lists them",
}


def a_line_each(values: str) -> str:
    """Put each value of a list with commas on a line."""
    return values.replace(",", "\n")


class Parameters(Described):
    """What each of these routes takes."""

    model_config = ConfigDict(extra="forbid")


class OfOnePage(Parameters):
    """What the routes take that read one page of a document."""

    page: OneOrMore | None = None
    """Which page of a TIFF or PDF, if it has several."""


class OfRegion(Parameters):
    """Which part of a picture is read."""

    region: str | None = Parameter(default=None, pattern=REGION)
    """Read only this part of the picture: left, top, width and height, in pixels of the
    upright picture, or in fractions of its size if none is above 1, as in
    `0.25,0.4,0.5,0.1`. Boxes in the answer are those of the whole picture.
    """

    @property
    def part(self) -> Region | None:
        """The part of the picture that is read; raises InvalidField."""
        try:
            return Region.of(self.region) if self.region is not None else None
        except ValueError as error:
            raise InvalidField(str(error)) from error


class OfPicture(OfOnePage, OfRegion):
    """How to read a digit, and to explain that."""

    opinion: bool = True
    """With `false`, the network for numbers is not asked about a doubtful digit."""

    def options(self, with_ink: bool = False) -> DigitOptions:
        """Return how to read a digit."""
        return DigitOptions(self.page, self.opinion, with_ink, region=self.part)


class OfDigit(OfPicture):
    """How to read a digit."""

    frame: bool = False
    """Also return the network's input, and its box in the picture."""
    min_confidence: Share = 0
    """An answer with a lower confidence or legibility gets the error `not-sure`, with
    the answer in it.
    """


class OfText(OfRegion):
    """How to read numbers."""

    page: str | None = Parameter(default=None, pattern=PAGES)
    """Which pages of a TIFF or PDF: one, as in `2`, which is answered as a picture; or
    several, as in `1,3,7-9,13-`. By default all.
    """
    length: int | None = Parameter(default=None, ge=1, le=MAX_DIGITS)
    """Number of digits in a line, without marks, if known: lines that cannot have so
    many are left out.
    """
    marks: bool = True
    """Also return the marks `.`, `,`, `-`, `/` and `:`, or the signs among
    `characters`, and spaces in a line.
    """
    # `Field.require_possible` refuses others than these lengths.
    characters: str | None = Parameter(
        default=None, json_schema_extra={"minLength": 1, "maxLength": MAX_CHARACTERS}
    )
    """The digits and signs that may stand in the text, such as `0123456789+%`, which is
    `0123456789%2B%25` in a URL; by default digits and marks. `/health` lists those
    known, as the `characters` of `lines`.
    """
    format: FormatName | None = None
    """The form of the field. Each line is the most probable reading that has it, with
    its `value`; a line without such a reading has `format: false`.
    """
    date: DateOrder | None = None
    """With `format=date`: the order of day, month and year. Without it, any; where a
    date may be in several, the confidence shows the doubt.
    """
    values: Annotated[str, AfterValidator(a_line_each)] | None = None
    """What may be written, separated by commas, such as `101,102,204`. A longer list,
    or one of values with commas, is the part `values` of the form, a value a line.
    """
    min: float | None = None
    """The lowest number that may be written."""
    max: float | None = None
    """The highest number that may be written."""
    digits: int | None = Parameter(default=None, ge=0, le=MAX_DECIMALS)
    """Number of digits after the point."""
    check: CheckName | None = None
    """How the check digit at the end of each number is computed: by Luhn's formula, by
    ISO 7064 MOD 97-10, modulo 11 as in ISBN-10 but without `X`, or as in EAN.
    """
    frame: bool = False
    """Also return each digit's frame, 28×28, white on black."""
    rotate: Literal["none", "auto"] = "none"
    """With `auto`, the picture is turned if it is clearly surer on its side or upside
    down.
    """
    picture: bool = False
    """Also return the picture, upright and turned as it was read: a JPEG of at most
    1,600 pixels.
    """
    alternatives: int = Parameter(default=0, ge=0, le=10)
    """Number of other texts to return for each line."""
    form: str | None = Parameter(default=None, max_length=MAX_FORM_NAMES)
    """Read a filled sheet of this form, which `GET /forms` lists, or of one of several,
    as in `meter,exam`: the answer has its fields. A form can also be sent, as the part
    `form`.
    """
    min_confidence: Share = 0
    """An answer with a lower confidence gets the error `not-sure`, with the answer in
    it.
    """

    @property
    def only_page(self) -> int | None:
        """The number of the page, if it is only one."""
        return int(self.page) if self.page and self.page.isdecimal() else None

    def options(self, page: int | None) -> TextOptions:
        """Return how to read a page of a document, or a picture."""
        return TextOptions(
            field=self.field,
            page=page,
            turns=TURNS[self.rotate],
            alternatives=self.alternatives,
            with_picture=self.picture,
            region=self.part,
        )

    @property
    def field(self) -> Field:
        """What may be written in the picture."""
        return Field(**self.model_dump(include=OF_FIELD))

    def with_values(self, values: str | None) -> Self:
        """Add the list of a form, a value a line, if there is one."""
        if values is None:
            return self
        if self.values is not None:
            raise InvalidField("values must be in the query or in the form, not both.")
        return self.model_copy(update={"values": values})


OnePageParameters = Annotated[OfOnePage, Query()]
PictureParameters = Annotated[OfPicture, Query()]
DigitParameters = Annotated[OfDigit, Query()]
TextParameters = Annotated[OfText, Query()]


def in_words(errors: Sequence[Mapping[str, Any]]) -> str:
    """Describe validation errors of Pydantic's: the first few, in a sentence."""
    return "; ".join(map(clause, errors[:MAX_ERRORS])) + "."


def clause(error: Mapping[str, Any]) -> str:
    """Describe a validation error; names and values may be long."""
    kind = error["type"]
    context = error.get("ctx", {})
    rule = RULES.get(context.get("pattern", kind), error["msg"]).format(**context)
    place = error["loc"][error["loc"][0] in ("query", "path", "header") :]
    name = ".".join(map(str, place))[:MAX_NAME]
    if kind in ("missing", "extra_forbidden"):
        return f"{name} {rule}"
    return f"{name} {rule}, and not {reprlib.repr(error['input'])}"
