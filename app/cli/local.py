"""Answers without a service: reads pictures in this process."""

from typing import Any

from app.cli.answers import Unanswered
from app.inference.classifier import Classifier
from app.inference.lines import LineNetwork
from app.inference.opinion import SecondOpinion
from app.inference.reading import NotADigit, read_digit
from app.inference.text import ImpossibleLength, read_text
from app.preprocess.errors import PreprocessError
from app.settings import Settings
from app.web import conversion
from app.web.answers import Prediction, Text


class Local:
    """A thread-safe reader that answers as a service does, without its limits. Raises ModelError."""

    def __init__(self, settings: Settings, at_once: int) -> None:
        self.at_once = at_once
        self.settings = settings
        self.classifier = Classifier(settings.model)
        self.lines = LineNetwork(settings.lines_model)
        self.opinion = SecondOpinion.of(self.classifier, self.lines)

    def predict(self, data: bytes, page: int | None = None) -> Prediction:
        """Return the digit in a picture; raise Unanswered if there is none."""
        try:
            reading = read_digit(data, self.classifier, self.settings.max_pixels, opinion=self.opinion, page=page)
            reading.require_legible(self.settings.min_legibility)
        except (PreprocessError, NotADigit) as error:
            raise Unanswered(str(error)) from error
        return conversion.prediction_of(reading, self.classifier.version, with_frame=False)

    def read(self, data: bytes, length: int | None = None, marks: bool = True, page: int | None = None) -> Text:
        """Return the text in a picture, with `length` digits if given; raise Unanswered if it cannot be read."""
        try:
            text = read_text(data, self.lines, self.settings.max_pixels, length, page)
        except (PreprocessError, ImpossibleLength) as error:
            raise Unanswered(str(error)) from error
        return conversion.text_of(text if marks else text.digits_only(), self.lines.version, with_frames=False)

    def about(self) -> dict[str, Any]:
        """Return the file, the version and the metadata of each model."""
        files = {"digits": (self.settings.model, self.classifier), "lines": (self.settings.lines_model, self.lines)}
        return {"models": {name: {"file": str(path)} | model.about for name, (path, model) in files.items()}}

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
