"""Answers without a service: reads pictures in this process."""

from collections.abc import Sequence
from typing import Any

from app.cli.answers import Unanswered, attempt_each
from app.inference.classifier import Classifier
from app.inference.reading import read_bytes
from app.inference.text import ImpossibleLength, read_text_bytes
from app.preprocess.errors import PreprocessError
from app.settings import Settings
from app.web import conversion
from app.web.answers import Prediction, Text
from app.web.errors import NotADigit
from app.web.legibility import legible


class Local:
    """A thread-safe reader that answers as a service does, without its limits. Raises ModelError.

    The confidence may differ for pictures that take much memory: a service only looks at them closely, at once.
    """

    together = 1

    def __init__(self, settings: Settings, at_once: int) -> None:
        self.at_once = at_once
        self.settings = settings
        self.classifier = Classifier(settings.model)

    def predict(self, data: bytes) -> Prediction:
        """Return the digit in a picture; raise Unanswered if there is none."""
        try:
            found = read_bytes(data, self.classifier, self.settings.max_pixels)
            reading = legible(found, self.settings.min_legibility)
        except (PreprocessError, NotADigit) as error:
            raise Unanswered(str(error)) from error
        return conversion.prediction_of(reading, self.classifier.version, with_frame=False)

    def predict_several(self, pictures: Sequence[bytes]) -> list[Prediction | Unanswered]:
        """Return the digit in each picture, or why there is none."""
        return attempt_each(self.predict, pictures)

    def read(self, data: bytes, length: int | None) -> Text:
        """Return all digits in a picture, or exactly `length`; raise Unanswered if it cannot be read."""
        try:
            text = read_text_bytes(data, self.classifier, self.settings.max_pixels, length)
        except (PreprocessError, ImpossibleLength) as error:
            raise Unanswered(str(error)) from error
        return conversion.text_of(text, self.classifier.version, with_frames=False)

    def about(self) -> dict[str, Any]:
        """Return the version and the metadata of the model."""
        return {"file": str(self.settings.model), "model": self.classifier.about}

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
