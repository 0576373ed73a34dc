"""Answers without a service: reads pictures in this process."""

from typing import Any

from app.cli.answers import Unanswered
from app.inference.networks import Networks
from app.inference.reading import NotADigit
from app.inference.text import ImpossibleLength
from app.preprocess.errors import PreprocessError
from app.settings import Settings
from app.web import conversion
from app.web.answers import Prediction, Text


class Local:
    """A thread-safe reader that answers as a service does, without its limits. Raises ModelError."""

    def __init__(self, settings: Settings, at_once: int) -> None:
        self.at_once = at_once
        self.settings = settings
        self.networks = Networks.load(settings.model, settings.lines_model)

    def predict(self, data: bytes, page: int | None = None) -> Prediction:
        """Return the digit in a picture; raise Unanswered if there is none."""
        try:
            reading = self.networks.read_digit(data, self.settings.max_pixels, page=page)
            reading.require_legible(self.settings.min_legibility)
        except (PreprocessError, NotADigit) as error:
            raise Unanswered(str(error)) from error
        return conversion.prediction_of(reading, self.networks.digit_model, with_frame=False)

    def read(self, data: bytes, length: int | None = None, marks: bool = True, page: int | None = None) -> Text:
        """Return the text in a picture, with `length` digits if given; raise Unanswered if it cannot be read."""
        try:
            text = self.networks.read_text(data, self.settings.max_pixels, length=length, page=page)
        except (PreprocessError, ImpossibleLength) as error:
            raise Unanswered(str(error)) from error
        return conversion.text_of(text if marks else text.digits_only(), self.networks.lines.version, with_frames=False)

    def about(self) -> dict[str, Any]:
        """Return the file, the version and the metadata of each model."""
        files = {"digits": self.settings.model, "lines": self.settings.lines_model}
        return {"models": {name: {"file": str(files[name])} | about for name, about in self.networks.about.items()}}

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
