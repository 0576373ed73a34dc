"""The networks, and how they read a picture together."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

from app.digit.classifier import Classifier
from app.digit.opinion import SecondOpinion
from app.digit.reading import Reading, read_digit
from app.picture.formats import MAX_PIXELS
from app.text.hypotheses import allow_any
from app.text.line_network import LineNetwork
from app.text.pages import PageNetwork
from app.text.text import Text, read_text


class Files(NamedTuple):
    """The model files, by the names of the settings; that of the network for pages may
    be left out.
    """

    model: Path
    lines_model: Path
    pages_model: Path | None


class Networks(NamedTuple):
    """The dense network, the line network, the one for pages if there is one, and the
    second opinion.

    There is a second opinion if the weights for it were fitted with the first two.
    `allow` is that of `LineReader`.
    """

    digits: Classifier
    lines: LineNetwork
    pages: PageNetwork | None = None
    opinion: SecondOpinion | None = None
    allow: Callable[[float], None] = allow_any

    @classmethod
    def load(
        cls,
        digits: Path,
        lines: Path,
        pages: Path | None = None,
        has_opinion: bool = True,
    ) -> "Networks":
        """Load the model files; raise ModelError if one cannot be served."""
        classifier, line_network = Classifier(digits), LineNetwork(lines)
        opinion = SecondOpinion.of(classifier, line_network) if has_opinion else None
        return cls(
            classifier, line_network, PageNetwork(pages) if pages else None, opinion
        )

    @property
    def files(self) -> Files:
        """Where other processes find the model files."""
        return Files(
            self.digits.path, self.lines.path, self.pages.path if self.pages else None
        )

    @property
    def about(self) -> dict[str, dict[str, str]]:
        """The version and the metadata of each, and whether the second opinion is used."""
        used = {"second_opinion_used": "yes" if self.opinion else "no"}
        pages = {"pages": self.pages.about} if self.pages else {}
        return {"digits": self.digits.about | used, "lines": self.lines.about} | pages

    @property
    def alone(self) -> Self:
        """The same without the second opinion."""
        return self._replace(opinion=None)

    @property
    def digit_model(self) -> str:
        """The versions of the files by which digits are read: of both, joined by "+",
        if there is a second opinion.
        """
        return (
            f"{self.digits.version}+{self.lines.version}"
            if self.opinion
            else self.digits.version
        )

    @property
    def text_model(self) -> str:
        """The versions of the files by which texts are read, joined by "+"."""
        return (
            f"{self.lines.version}+{self.pages.version}"
            if self.pages
            else self.lines.version
        )

    def read_digit(
        self,
        data: bytes,
        max_pixels: int = MAX_PIXELS,
        has_opinion: bool = True,
        **options: Any,  # noqa: ANN401
    ) -> Reading:
        """Read the digit in a picture, with a second opinion or without; the options
        are those of `read_digit`.
        """
        return read_digit(
            data,
            self.digits,
            max_pixels,
            opinion=self.opinion if has_opinion else None,
            **options,
        )

    def read_text(
        self, data: bytes, max_pixels: int = MAX_PIXELS, **options: Any
    ) -> Text:
        """Read what is written in a picture; the options are those of `text.read_text`."""
        return read_text(
            data, self.lines, self.pages, max_pixels, allow=self.allow, **options
        )
