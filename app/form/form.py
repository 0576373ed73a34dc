"""A form: the fields of a printed sheet, and the landmarks by which it is found."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from app.picture.errors import PictureError
from app.text import field as of_text
from app.text.conditions import CheckName
from app.text.formats import DateOrder, FormatName
from app.text.limits import MAX_DIGITS

# It would import ONNX Runtime, which a client of a service does not need.
if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from app.text.line_spec import LineSpec

MAX_BYTES = 20_000_000  # of a form's file, with its lists of values
MAX_PAGES, MAX_FIELDS, MAX_LANDMARKS = 20, 200, 2000
LEAST_LANDMARKS = 3  # of a page
MAX_NAME = 60
# Of the smaller one's area, from which two boxes overlap.
OVERLAP = 0.1
SAID = [each.name for each in fields(of_text.Field)]
# Of tables of sheets, beside their fields: of CSV, and of Parquet.
OWN_COLUMNS = (
    *("unsure", "edited", "file", "page", "fit", "form", "confidence", "model"),
    *("error", "problem", "size", "modified"),
)
RESERVED = {*OWN_COLUMNS, "path", "key", "pages", "turn", "fields"}
RUN_BY_SPREADSHEETS = "=+-@"
MAX_ERRORS = 3  # that are described


class InvalidForm(Exception):
    """The form cannot be used; the message names the place in it."""


class NotThisForm(PictureError):
    """The picture shows no sheet of the form."""


def require_plain(name: str) -> str:
    """Refuse a name that a spreadsheet would run, or that is not one line of text."""
    if not name.isprintable() or name != name.strip():
        raise ValueError("must be one line of text, without spaces around it")
    if name[0] in RUN_BY_SPREADSHEETS:
        raise ValueError(
            f"must not begin with {name[0]}: a spreadsheet would run it as a formula"
        )
    return name


def require_own(name: str) -> str:
    """Refuse the name of a column that tables have besides the fields."""
    if name in RESERVED:
        raise ValueError(f"must not be {name}: tables have such a column")
    return name


Name = Annotated[
    str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(require_plain)
]
Share = Annotated[float, Field(ge=0, le=1)]
Length = Annotated[float, Field(gt=0, le=1)]
Coordinate = Annotated[float, Field(ge=-1, le=2)]
Segment = tuple[Coordinate, Coordinate, Coordinate, Coordinate]
Segments = Annotated[list[Segment], Field(max_length=MAX_LANDMARKS)]


class Part(BaseModel):
    """A part of a form, in which only what is known may stand."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


class FieldBox(Part):
    """Where a field is, in fractions of the upright page."""

    left: Share
    top: Share
    width: Length
    height: Length

    @model_validator(mode="after")
    def is_on_the_page(self) -> Self:
        """Refuse a box that ends beyond the page."""
        if self.left + self.width > 1.0001 or self.top + self.height > 1.0001:
            raise ValueError("must end on the page: left + width and top + height <= 1")
        return self

    def overlaps(self, other: "FieldBox") -> bool:
        """Return whether two boxes share more than a little."""
        across = shared(self.left, self.width, other.left, other.width)
        down = shared(self.top, self.height, other.top, other.height)
        smaller = min(self.width * self.height, other.width * other.height)
        return across * down > OVERLAP * smaller


def shared(begin: float, length: float, other: float, other_length: float) -> float:
    """Return how much of a line two parts of it share."""
    return max(0.0, min(begin + length, other + other_length) - max(begin, other))


def listed(values: object, info: ValidationInfo) -> object:
    """Return the values in the file that a form names, which lies beside it."""
    if not isinstance(values, str):
        return values
    folder: Path | None = info.context
    if folder is None:
        raise ValueError("must be a list: a file of values is not sent with a form")
    if Path(values).name != values:
        raise ValueError("must be a list, or the name of a file beside the form")
    return of_text.values_in(folder / values)


Values = Annotated[
    list[str],
    Field(max_length=of_text.MAX_VALUES),
    BeforeValidator(listed, json_schema_input_type=list[str] | str),
]


class FormField(Part):
    """A field, and what may be written there, as in the parameters of `/read`."""

    name: Annotated[Name, AfterValidator(require_own)]
    box: FieldBox
    format: FormatName | None = None
    """The form of the number, such as an amount."""
    date: DateOrder | None = None
    """The order of day, month and year."""
    length: Annotated[int, Field(ge=1, le=MAX_DIGITS)] | None = None
    """Number of digits."""
    characters: str | None = None
    """The digits and signs that may stand there."""
    values: Values | None = None
    """All texts that may stand there, or the name of a file beside the form: with one a
    line, or a .csv with them in its first column.
    """
    min: float | None = None
    """The lowest number that may stand there."""
    max: float | None = None
    """The highest number that may stand there."""
    digits: Annotated[int, Field(ge=0, le=of_text.MAX_DECIMALS)] | None = None
    """Number of digits after the point."""
    check: CheckName | None = None
    """How the check digit at the end is computed."""
    required: bool = False
    """Whether it is in doubt while it is empty."""

    @cached_property
    def field(self) -> of_text.Field:
        """What may be written there."""
        said = {name: getattr(self, name) for name in SAID}
        if self.values is not None:
            said["values"] = "\n".join(self.values)
        return of_text.Field(**said)


class FormLandmarks(Part):
    """What is printed on a page, in fractions of it: by this it is found again."""

    writing: Segments
    """Both ends of the middle of each line of print: x1, y1, x2, y2."""
    rules: Segments
    """Both ends of each printed line."""


class Sum(Part):
    """Fields whose numbers add up to that of another one."""

    fields: Annotated[list[str], Field(min_length=1, max_length=MAX_FIELDS)]
    """The names of the fields."""
    total: str
    """The name of the field with their sum."""


class FormPage(Part):
    """A page of a form."""

    width: Annotated[int, Field(ge=1, le=100_000)]
    """Of the upright sample, in pixels."""
    height: Annotated[int, Field(ge=1, le=100_000)]
    landmarks: FormLandmarks
    fields: Annotated[list[FormField], Field(max_length=MAX_FIELDS)]
    sums: Annotated[list[Sum], Field(max_length=MAX_FIELDS)] = []
    """If one does not add up, all of its fields are in doubt; some may be on another
    page.
    """

    @property
    def landmark_count(self) -> int:
        """The number of lines of print, and of printed lines."""
        return len(self.landmarks.writing) + len(self.landmarks.rules)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height


class Form(Part):
    """A printed form: what `digits forms new` and the page write."""

    name: Name
    pages: Annotated[list[FormPage], Field(min_length=1, max_length=MAX_PAGES)]
    """In order: a sheet has as many, and in a file they follow each other."""

    @property
    def fields(self) -> list[FormField]:
        """The fields of all pages."""
        return [field for page in self.pages for field in page.fields]

    @property
    def sums(self) -> list[Sum]:
        """The sums of all pages."""
        return [each for page in self.pages for each in page.sums]

    def require_possible(self, spec: "LineSpec") -> None:
        """Raise InvalidForm unless a line network can read something in each field."""
        for place, each in places(self):
            try:
                each.field.require_possible(spec)
            except of_text.InvalidField as error:
                raise InvalidForm(f"{place} ({each.name}): {error}") from error


def form_in(content: str | bytes, folder: Path | None = None) -> Form:
    """Parse a form; files with values are in its folder, if it has one.

    Raises InvalidForm with what is wrong, and where.
    """
    if len(content) > MAX_BYTES:
        raise InvalidForm(f"The form is larger than {MAX_BYTES:,} bytes.")
    try:
        form = Form.model_validate_json(content, context=folder)
    except ValidationError as error:
        errors = error.errors()
        said = "; ".join(map(sentence, errors[:MAX_ERRORS]))
        raise InvalidForm(f"{said}.") from error
    require_apart(form)
    return form


def sentence(error: "ErrorDetails") -> str:
    """Return what is wrong, and where, as in pages[0].fields[3].box."""
    place = ""
    for each in error["loc"]:
        place += f"[{each}]" if isinstance(each, int) else f".{each}"
    why = error["msg"].removeprefix("Value error, ")
    if error["type"] == "json_invalid":
        return f"The form is no JSON: {why}"
    if error["type"] == "too_long":
        why = f"has more than {error['ctx']['max_length']:,}"
    return f"{place.lstrip('.') or 'The form'}: {why}"


def places(form: Form) -> Iterator[tuple[str, FormField]]:
    """Yield each field, and the place where it stands in the file."""
    for page, each in enumerate(form.pages):
        for number, field in enumerate(each.fields):
            yield f"pages[{page}].fields[{number}]", field


def require_apart(form: Form) -> None:
    """Raise InvalidForm if fields share a name, or boxes of a page overlap."""
    first = dict[str, str]()
    for place, field in places(form):
        if before := first.get(field.name):
            raise InvalidForm(f"{place}: {before} is called {field.name}, too.")
        first[field.name] = place
    for page, each in enumerate(form.pages):
        if each.landmark_count < LEAST_LANDMARKS:
            raise InvalidForm(
                f"pages[{page}].landmarks: {LEAST_LANDMARKS} lines of print or printed "
                "lines are needed at least, by which sheets are found."
            )
        for number, of in enumerate(each.sums):
            for name in (*of.fields, of.total):
                if name not in first:
                    raise InvalidForm(
                        f"pages[{page}].sums[{number}]: the form has no field {name}."
                    )
        for (one, a), (two, b) in combinations(enumerate(each.fields), 2):
            if a.box.overlaps(b.box):
                raise InvalidForm(
                    f"pages[{page}].fields[{two}] ({b.name}): its box overlaps that of "
                    f"fields[{one}] ({a.name})."
                )


def require_alike(forms: Sequence[Form]) -> None:
    """Raise InvalidForm if a sheet cannot be of one of several forms: they need as many
    pages, so that it is known where a sheet ends, and names of their own.
    """
    if len({len(form.pages) for form in forms}) > 1:
        raise InvalidForm(
            "The forms differ in their number of pages: use only those together that "
            "have as many."
        )
    names = Counter(form.name for form in forms)
    if twice := [name for name in names if names[name] > 1]:
        raise InvalidForm(f"Two forms are called {twice[0]}: rename one.")
