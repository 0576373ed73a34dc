"""Answers without a service: reads pictures in this process."""

from collections.abc import Iterator, Sequence
from typing import Any

from app.answers import conversion
from app.answers.responses import Prediction, Text
from app.cli.answers import AS_WRITTEN, InvalidOption, ReadOptions, Unanswered
from app.digit.reading import DigitOptions, NotADigit
from app.picture.budget import Budget
from app.picture.errors import PreprocessError
from app.serving.networks import Networks
from app.settings import Settings
from app.text.field import InvalidField
from app.text.text import TURNS, ImpossibleLength, TextOptions

BATCH = 32  # pictures that are decoded, and held, together


class Local:
    """A thread-safe reader that answers as a service does, without its limits.

    Raises ModelError.
    """

    def __init__(self, settings: Settings, at_once: int) -> None:
        self.at_once = at_once
        self.batch = BATCH
        self.settings = settings
        self.budget = Budget(settings.max_pixels)
        self.networks = Networks.load(*settings.files, settings.second_opinion)

    def predict(
        self, pictures: Sequence[bytes], page: int | None = None
    ) -> list[Prediction | Unanswered]:
        """Return the digit in each picture, or why there is no answer."""
        networks = self.networks
        answers: list[Prediction | Unanswered] = []
        for reading in networks.read_digits(pictures, DigitOptions(page), self.budget):
            try:
                if isinstance(reading, Exception):
                    raise reading
                reading.require_legible(self.settings.min_legibility)
            except (PreprocessError, NotADigit) as error:
                answers.append(Unanswered(str(error)))
            else:
                answer = conversion.prediction_of(
                    reading, networks.digit_model, with_frame=False
                )
                answers.append(answer)
        return answers

    def read(
        self,
        pictures: Sequence[bytes],
        page: int | None = None,
        options: ReadOptions = AS_WRITTEN,
    ) -> list[Text | Unanswered]:
        """Return the text in each picture, or why there is no answer."""
        try:
            options.field.require_possible(self.networks.lines.spec)
        except InvalidField as error:
            raise InvalidOption(str(error)) from error
        return list(self.texts(pictures, page, options))

    def texts(
        self, pictures: Sequence[bytes], page: int | None, options: ReadOptions
    ) -> Iterator[Text | Unanswered]:
        """Yield the text in each picture, or why there is no answer."""
        how = TextOptions(
            options.field, page, TURNS[options.rotate], options.alternatives
        )
        for data in pictures:
            try:
                text = self.networks.read_text(data, how, self.budget)
            except (PreprocessError, ImpossibleLength) as error:
                yield Unanswered(str(error))
            else:
                yield conversion.text_of(
                    text if options.marks else text.digits_only(),
                    self.networks.text_model,
                    with_frames=False,
                    characters=options.field.characters,
                )

    def about(self) -> dict[str, Any]:
        """Return the file, the version and the metadata of each model."""
        about = self.networks.about
        models: dict[str, dict[str, str] | None] = {}
        for name, file in zip(
            ("digits", "lines", "pages"), self.settings.files, strict=True
        ):
            models[name] = {"file": str(file)} | about[name] if file else None
        return {"models": models}
