"""The networks, and which of them read a digit or a text."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from PIL import Image

from app.digit.classifier import Classifier
from app.digit.opinion import SecondOpinion
from app.digit.reading import DigitOptions, digit_in
from app.digit.single import as_digit, may_be_digit
from app.picture.errors import PictureError
from app.stopwatch import Stopwatch
from app.text.line_network import LineNetwork
from app.text.pages import PageNetwork
from app.text.picture_reader import unheeded
from app.text.reading import TextOptions, decoded, text_in
from app.text.transcription import Transcription


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
    """

    digits: Classifier
    lines: LineNetwork
    pages: PageNetwork | None = None
    opinion: SecondOpinion | None = None

    @classmethod
    def load(
        cls,
        digits: Path,
        lines: Path,
        pages: Path | None = None,
        has_opinion: bool = True,
    ) -> Self:
        """Load the model files; raise ModelError if one cannot be served."""
        classifier = Classifier(digits)
        line_network = LineNetwork(lines)
        page_network = PageNetwork(pages) if pages else None
        opinion = SecondOpinion.of(classifier, line_network) if has_opinion else None
        return cls(classifier, line_network, page_network, opinion)

    def read_text(
        self,
        open_picture: Callable[[], Image.Image],
        options: TextOptions,
        watch: Stopwatch,
        on_lines: Callable[[float], object] = unheeded,
    ) -> Transcription:
        """Read what is written in a picture; a digit alone as it is read as a digit.

        Raises PictureError or ImpossibleLength. `on_lines` is as of `text_in`.
        """
        picture = decoded(open_picture(), options.region)
        watch.end("decode")
        text = text_in(picture, self.lines, self.pages, options, on_lines)
        if may_be_digit(text, options):
            with suppress(PictureError):  # it has no ink
                alone = DigitOptions(region=options.region)
                reading = digit_in(open_picture(), self.digits, self.opinion, alone)
                text = as_digit(text, reading, options)
        watch.end("inference")
        return text._replace(model=self.text_model)

    @property
    def files(self) -> Files:
        """Where other processes find the model files."""
        pages = self.pages.path if self.pages else None
        return Files(self.digits.path, self.lines.path, pages)

    @property
    def about(self) -> dict[str, dict[str, str]]:
        """The version and metadata of each, and whether the second opinion is used."""
        used = {"second_opinion_used": "yes" if self.opinion else "no"}
        pages = {"pages": self.pages.about} if self.pages else {}
        return {"digits": self.digits.about | used, "lines": self.lines.about} | pages

    @property
    def digit_model(self) -> str:
        """The versions of the files by which digits are read: of both, joined by "+",
        if there is a second opinion.
        """
        if self.opinion:
            return f"{self.digits.version}+{self.lines.version}"
        return self.digits.version

    @property
    def text_model(self) -> str:
        """The versions of the files by which texts are read, joined by "+"."""
        networks = self.lines, self.pages, self.digits
        return "+".join(network.version for network in networks if network)
