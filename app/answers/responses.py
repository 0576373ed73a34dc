"""Response models of the endpoints.

The command line, too, parses responses with them.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import MISSING, BaseModel, ConfigDict, Field, NonNegativeInt

from app.digit.patches import PATCHES

# Names of problems that no service gives: a file, or the service, could not be reached.
UNREADABLE = "unreadable-file"
NO_ANSWER = "no-answer"
# Those of the moment: another try may succeed.
TRANSIENT = frozenset(
    (
        "interrupted",
        "internal-error",
        "overloaded",
        "shutting-down",
        "upload-too-slow",
        UNREADABLE,
        NO_ANSWER,
    )
)
LEGIBLE = 0.5  # legibility below which a picture probably does not show one whole digit
# Marks of fields: CSV and Parquet files have all others.
JSON_ONLY = "only in JSON"
NOT_IN_CSV = "not in CSV"
Share = Annotated[float, Field(ge=0, le=1)]
OneOrMore = Annotated[int, Field(ge=1)]
Item = TypeVar("Item")
OfPatches = Annotated[list[Item], Field(min_length=PATCHES, max_length=PATCHES)]
Model = Annotated[
    str,
    Field(
        description="Version of the model that read the picture: the first 12 hex "
        "digits of its file's SHA-256. If two models read a digit, both, as in "
        "`1f0c2a9b7d3e+8d41b6e05c72`."
    ),
]


class Described(BaseModel):
    """A model whose fields are described by the docstrings below them."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Complete(Described):
    """An answer that has all its fields, also those with a default."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Box(Described):
    """A bounding box, in pixels of the upright picture."""

    left: NonNegativeInt
    top: NonNegativeInt
    width: OneOrMore
    height: OneOrMore


class Classification(Described):
    """The most probable digit, and the probabilities of all ten."""

    digit: int = Field(ge=0, le=9)
    """The most probable digit."""
    confidence: Share
    """Its probability."""
    probabilities: list[Share] = Field(min_length=10, max_length=10)
    """Probabilities of the digits 0 to 9, in that order; they sum to 1."""


class Prediction(Classification):
    """The digit in a picture."""

    legibility: Share
    """Probability that the picture shows one whole digit, and no other beside it."""
    second_opinion: Annotated[bool, JSON_ONLY] = False
    """Whether the network for numbers was asked too, since there was a doubt."""
    model: Model
    frame: Annotated[str | MISSING, JSON_ONLY] = MISSING
    """With ?frame=true: the network's input, a 28×28 PNG, white on black, as a data
    URI.
    """
    box: Annotated[Box | MISSING, JSON_ONLY] = MISSING
    """With ?frame=true: the digit's box in the upright picture."""


class Layer(Described):
    """What a hidden layer of the network computes for the digit's frame."""

    shape: tuple[int, int, int]
    """Number of its maps, and their rows and columns."""
    picture: str
    """The maps side by side, a pixel apart if they have several units, a PNG as a data
    URI; the most active unit is white.
    """


class Unit(Described):
    """A unit of the first hidden layer."""

    unit: NonNegativeInt
    weights: str
    """Its weights, a 28×28 PNG as a data URI: blue above 0, orange below,
    black at 0.
    """


class Explanation(Prediction):
    """The digit in a picture, and how it was found and classified."""

    frame: str
    """The network's input, a 28×28 PNG, white on black, as a data URI."""
    box: Box
    """The digit's box in the upright picture."""
    ink: str
    """All ink in the upright picture, at the resolution that was searched, a PNG, white
    on black, as a data URI.
    """
    runner_up: int = Field(ge=0, le=9)
    """The second most probable digit."""
    evidence: OfPatches[OfPatches[float]]
    """By row and column of the frame: the decrease in the log-odds of the digit against
    the runner-up when the 4×4 patch there is blanked. A positive value supports the
    digit.
    """
    layers: list[Layer]
    """The hidden layers, of the first network if there are several; may be empty."""


class Digit(Classification):
    """A digit in a text."""

    legibility: Share
    """Probability that it is a digit."""
    box: Box
    frame: Annotated[str | MISSING, JSON_ONLY] = MISSING
    """With ?frame=true: the digit, scaled and centred, a 28×28 PNG, white on black, as
    a data URI.
    """


class Mark(Described):
    """A mark in a text."""

    mark: str = Field(min_length=1, max_length=1)
    """One of `.`, `,`, `-`, `/` and `:`; with ?characters=0123456789%2B, of the signs
    among those.
    """
    box: Box


class Alternative(Described):
    """Another text of a line."""

    text: str
    confidence: Share
    """Probability that this is the complete line."""


Value = Annotated[
    str | MISSING | None,
    Field(
        description="With ?format=amount: what that means. A number has a point before "
        "its decimals and no separators; dates and times are as in ISO 8601. The "
        "values of several cells are separated by spaces, those of lines by newlines. "
        "Null if something does not have the form."
    ),
]


class Line(Described):
    """A line of a text."""

    text: str
    """The line as written: digits, marks, and a space where a gap is about as wide as a
    digit is high.
    """
    confidence: Share
    """Probability that this is the complete line."""
    box: Box
    digits: list[Digit]
    """From left to right, at most 64."""
    marks: list[Mark]
    """From left to right; none with ?marks=false."""
    alternatives: Annotated[list[Alternative] | MISSING, JSON_ONLY] = MISSING
    """With ?alternatives=3: other texts, without spaces, the most probable first."""
    format: bool | MISSING = MISSING
    """With ?format=amount: whether the line has that form."""
    value: Value = MISSING
    row: Annotated[int | MISSING, NOT_IN_CSV, Field(ge=0)] = MISSING
    """If it is a row of the `table`: which, from 0."""


class Cell(Described):
    """A cell of a table."""

    text: str
    """As written; empty if nothing is."""
    confidence: Share | MISSING = MISSING
    """Probability that this is all that is written in it. An empty cell has it in a
    ruled table only, unless it is part of the cell to its left or above.
    """
    box: Box | MISSING = MISSING
    """Around what is written in it, or around an empty cell of a ruled table."""
    format: bool | MISSING = MISSING
    """With ?format=amount: whether it has that form."""
    value: Value = MISSING


class Size(Described):
    """The size of a picture, in pixels."""

    width: OneOrMore
    height: OneOrMore


class Written(Described):
    """What is written in a picture or on a page."""

    text: str
    """The lines, separated by newlines; empty if there are none."""
    confidence: Share
    """Probability that this is the complete text in the picture."""
    lines: list[Line]
    """From top to bottom."""
    value: Value = MISSING
    table: list[list[str]] | MISSING = MISSING
    """If there is a ruled table, or the numbers stand in a grid: its rows, as the texts
    of their cells; empty where no number is.
    """
    cells: list[list[Cell]] | MISSING = MISSING
    """If there is a table: its rows, with what is known of each cell."""
    turn: Annotated[int | MISSING, NOT_IN_CSV] = MISSING
    """With ?rotate=auto: by how many degrees the picture was turned counter-clockwise
    to read it. Boxes are in pixels of the turned picture.
    """
    picture: Annotated[str | MISSING, JSON_ONLY] = MISSING
    """With ?picture=true: the picture, upright and turned as it was read, at most 1,600
    pixels wide and high: a JPEG as a data URI.
    """
    size: Annotated[Size | MISSING, JSON_ONLY] = MISSING
    """With ?picture=true: the size of that picture in its file, to which
    boxes refer.
    """


Characters = Annotated[
    str | MISSING,
    NOT_IN_CSV,
    Field(
        description="With ?characters=0123456789%2B: the characters that may stand in "
        "the text."
    ),
]


class Text(Written):
    """What is written in a picture, as far as it consists of digits and marks, or of
    the characters requested.
    """

    characters: Characters = MISSING
    model: Model


class Numbered(Described):
    """A page of a document."""

    page: OneOrMore
    """Its number, from 1 on."""
    pages: OneOrMore | MISSING = MISSING
    """In a line of JSON: the number of pages of the file."""
    model: Model | MISSING = MISSING


class Page(Written, Numbered):
    """What is written on a page of a document, as in a picture."""


class FieldReading(Described):
    """What is written in a field of a form."""

    text: str
    """As written; empty if nothing is, or nothing can be read."""
    value: str | None
    """What it means in the field's format, or else the text; null if it does not have
    the format.
    """
    confidence: Share
    """Probability that the text is complete and right; of an empty one, that nothing is
    written there.
    """
    empty: Share
    """Probability that nothing is written there."""
    format: bool | MISSING = MISSING
    """Whether it has the field's format, and is what may stand there."""
    page: OneOrMore | MISSING = MISSING
    """Of a sheet with several pages: the page of the file on which the field is."""
    box: Box
    alternatives: list[Alternative] | MISSING = MISSING
    """With ?alternatives=3: other texts, the most probable first."""
    picture: Annotated[str | MISSING, JSON_ONLY] = MISSING
    """With ?picture=true: the field, a JPEG as a data URI."""


Turn = Annotated[
    int | MISSING,
    Field(
        description="By how many degrees the picture was turned counter-clockwise to "
        "be upright, if it was. Boxes are in pixels of the turned picture."
    ),
]
Upright = Annotated[
    str | MISSING,
    JSON_ONLY,
    Field(
        description="With ?picture=true: the upright page, at most 1,600 pixels wide "
        "and high: a JPEG as a data URI."
    ),
]
SizeUpright = Annotated[
    Size | MISSING,
    JSON_ONLY,
    Field(
        description="With ?picture=true: the size of the upright page, to which boxes "
        "refer."
    ),
]


class Scan(Described):
    """A page of a sheet with several, as it is in the file."""

    page: OneOrMore
    """Its number in the file."""
    fit: Share
    """Share of the landmarks of the form's page that are on it."""
    turn: Turn = MISSING
    picture: Upright = MISSING
    size: SizeUpright = MISSING


class SheetFields(Described):
    """The fields of a sheet."""

    form: str
    """The name of the form."""
    fit: Share
    """Share of the form's landmarks that are on the sheet; of several pages, that of
    the page that fits least.
    """
    turn: Turn = MISSING
    fields: dict[str, FieldReading]
    """By name, in the form's order."""
    confidence: Share
    """Probability that all fields are right."""
    picture: Upright = MISSING
    size: SizeUpright = MISSING
    scans: Annotated[list[Scan] | MISSING, JSON_ONLY] = MISSING
    """Of a sheet with several pages: for each, instead of `turn`, `picture` and `size`
    of the sheet, its own.
    """


class FilledSheet(SheetFields):
    """What is written in the fields of a filled sheet of a form."""

    model: Model


class SheetPage(SheetFields, Numbered):
    """A sheet in a document, by its first page."""


class Problem(Described):
    """Why a request failed (RFC 9457)."""

    type: str
    """The type of problem. Stable: programs can compare it."""
    title: str
    """A short summary, the same for every problem of this type."""
    status: int
    """The HTTP status code."""
    detail: str
    """What is wrong with this request, and what to do."""
    instance: str
    """The path of the request."""
    request_id: str
    """The id of the request, which is also in the X-Request-ID header and the log."""
    error: str | MISSING = MISSING
    """Under /v2: the detail, where clients of the protocol expect it."""
    reading: Prediction | Text | FilledSheet | MISSING = MISSING
    """The answer that is not sure enough."""


class Failure(Described):
    """Why one picture of several could not be read."""

    error: Problem


class FailedPage(Failure, Numbered):
    """Why a page of a document, or the sheet that begins there, could not be read."""


class Together(Described):
    """What is written on all pages of a document."""

    text: str
    """Their texts, separated by form feeds; empty for a page that could not be read."""
    confidence: Share
    """The lowest of the pages; 0 if one could not be read."""
    characters: Characters = MISSING
    model: Model


class Document(Together):
    """What is written on the pages of a PDF or TIFF with several."""

    pages: list[Page | FailedPage] = Field(min_length=1)
    """All of them, or those that were asked for, in order."""


class Sheets(Described):
    """What is written on the sheets of a form in a PDF or TIFF: each has as many pages
    as the form.
    """

    sheets: list[SheetPage | FailedPage] = Field(min_length=1)
    """In order."""
    model: Model


class Forms(Described):
    """The forms of the service."""

    forms: list[str]
    """The names that `/read?form=` takes."""


class Predictions(Described):
    """The digit on each of several pictures."""

    results: list[Prediction | Failure]
    """In the order of the pictures."""


class Texts(Described):
    """What is written in each of several pictures."""

    results: list[Text | Document | Failure]
    """In the order of the pictures."""


class Stored(Described):
    """Whether a correction was stored."""

    stored: bool
    """False if the picture is already stored with this label."""


class ModelFile(Described, extra="allow"):
    """The version of a model, and the metadata of its file."""

    __pydantic_extra__: dict[str, str]
    version: str


class Models(Complete):
    """The models of the service: one reads single digits, one reads lines, and one
    finds them on pages.
    """

    digits: ModelFile
    lines: ModelFile
    pages: ModelFile | None = None
    """Null if `DIGITS_PAGES_MODEL` is `none`."""


class Live(Complete):
    """The service runs."""

    status: Literal["ok"] = "ok"


class Health(Complete):
    """The service is ready."""

    status: Literal["ok"] = "ok"
    version: str
    """The service's version."""
    corrections: bool
    """Whether `/corrections` stores pictures."""
    models: Models
    """The version of each model and the metadata of its file. `second_opinion_used`
    says whether the second one also decides about digits.
    """
