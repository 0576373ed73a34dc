"""Both networks, and how they read a picture together."""

from pathlib import Path
from typing import Any, NamedTuple, Self

from app.inference.classifier import Classifier
from app.inference.lines import LineNetwork
from app.inference.opinion import SecondOpinion
from app.inference.reading import Reading, read_digit
from app.inference.text import Text, read_text
from app.preprocess.formats import MAX_PIXELS


class Networks(NamedTuple):
    """The dense network, the line network, and the second opinion, if the weights for it were fitted with both."""

    digits: Classifier
    lines: LineNetwork
    opinion: SecondOpinion | None = None

    @classmethod
    def load(cls, digits: Path, lines: Path, has_opinion: bool = True) -> "Networks":
        """Load both model files; raise ModelError if one cannot be served."""
        classifier, line_network = Classifier(digits), LineNetwork(lines)
        return cls(classifier, line_network, SecondOpinion.of(classifier, line_network) if has_opinion else None)

    @property
    def files(self) -> tuple[Path, Path]:
        """Where other processes find the model files."""
        return self.digits.path, self.lines.path

    @property
    def about(self) -> dict[str, dict[str, str]]:
        """The version and the metadata of each, and whether the second opinion is used."""
        used = {"second_opinion_used": "yes" if self.opinion else "no"}
        return {"digits": self.digits.about | used, "lines": self.lines.about}

    @property
    def alone(self) -> Self:
        """The same without the second opinion."""
        return self._replace(opinion=None)

    @property
    def digit_model(self) -> str:
        """The versions of the files by which digits are read: of both, joined by "+", if there is a second opinion."""
        return f"{self.digits.version}+{self.lines.version}" if self.opinion else self.digits.version

    def read_digit(
        self,
        data: bytes,
        max_pixels: int = MAX_PIXELS,
        has_opinion: bool = True,
        **options: Any,  # noqa: ANN401
    ) -> Reading:
        """Read the digit in a picture, with a second opinion or without; the options are those of `read_digit`."""
        return read_digit(data, self.digits, max_pixels, opinion=self.opinion if has_opinion else None, **options)

    def read_text(self, data: bytes, max_pixels: int = MAX_PIXELS, **options: Any) -> Text:  # noqa: ANN401
        """Read what is written in a picture; the options are those of `text.read_text`."""
        return read_text(data, self.lines, max_pixels, **options)
