"""Answers without a service: reads pictures in this process."""

from typing import Any, Literal

from app.answers import conversion
from app.answers.responses import Prediction, Text
from app.cli.answers import InvalidOption, Unanswered
from app.digit.reading import DigitOptions, NotADigit
from app.picture.budget import Budget
from app.picture.errors import PreprocessError
from app.serving.networks import Networks
from app.settings import Settings
from app.text.field import ANYTHING, Field, InvalidField
from app.text.text import TURNS, ImpossibleLength, TextOptions


class Local:
    """A thread-safe reader that answers as a service does, without its limits. Raises
    ModelError.
    """

    def __init__(self, settings: Settings, at_once: int) -> None:
        self.at_once = at_once
        self.settings = settings
        self.budget = Budget(settings.max_pixels)
        self.networks = Networks.load(*settings.files, settings.second_opinion)

    def predict(self, data: bytes, page: int | None = None) -> Prediction:
        """Return the digit in a picture; raise Unanswered if there is none."""
        try:
            reading = self.networks.read_digit(data, DigitOptions(page), self.budget)
            reading.require_legible(self.settings.min_legibility)
        except (PreprocessError, NotADigit) as error:
            raise Unanswered(str(error)) from error
        return conversion.prediction_of(
            reading, self.networks.digit_model, with_frame=False
        )

    def read(
        self,
        data: bytes,
        field: Field = ANYTHING,
        marks: bool = True,
        page: int | None = None,
        rotate: Literal["none", "auto"] = "none",
        alternatives: int = 0,
    ) -> Text:
        """Return the text in a picture, as the options say; raise Unanswered if it
        cannot be read.
        """
        options = TextOptions(field, page, TURNS[rotate], alternatives)
        try:
            field.require_possible(self.networks.lines.spec)
            text = self.networks.read_text(data, options, self.budget)
        except InvalidField as error:
            raise InvalidOption(str(error)) from error
        except (PreprocessError, ImpossibleLength) as error:
            raise Unanswered(str(error)) from error
        shown = text if marks else text.digits_only()
        return conversion.text_of(
            shown,
            self.networks.text_model,
            with_frames=False,
            characters=field.characters,
        )

    def about(self) -> dict[str, Any]:
        """Return the file, the version and the metadata of each model."""
        files = zip(("digits", "lines", "pages"), self.settings.files, strict=True)
        about = self.networks.about
        return {
            "models": {
                name: {"file": str(file)} | about[name] if file else None
                for name, file in files
            }
        }

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
