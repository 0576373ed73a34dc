"""Answers without a service: reads pictures in this process."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from app.answers import conversion
from app.answers.responses import FilledSheet, Prediction, Text
from app.digit.reading import DigitOptions, NotADigit, read_digits
from app.form.reading import FormOptions, page_named, sheet_in, sheets_of
from app.many.engine import AS_WRITTEN, Engine, ReadOptions, SheetOptions
from app.many.errors import Unanswered
from app.many.rows import unanswered
from app.picture.errors import PictureError
from app.picture.opening import open_image
from app.picture.region import Region
from app.serving.networks import Networks
from app.settings import Settings
from app.stopwatch import Stopwatch
from app.text.reading import TURNS, ImpossibleLength, TextOptions, decoded


def part_of(region: str | None) -> Region | None:
    """Return the region that a text describes, if any."""
    return None if region is None else Region.of(region)


class Local(Engine):
    """A thread-safe reader that answers as a service does, without its limits.

    Raises ModelError.
    """

    batch = 32  # pictures that are decoded, and held, together

    def __init__(self, settings: Settings, at_once: int) -> None:
        self.at_once = at_once
        self.settings = settings
        self.networks = Networks.load(*settings.files, settings.second_opinion)

    def predict(
        self,
        pictures: Sequence[bytes],
        page: int | None = None,
        region: str | None = None,
    ) -> list[Prediction | Unanswered]:
        """Return the digit in each picture, or why there is no answer."""
        networks = self.networks
        answers: list[Prediction | Unanswered] = []
        readings = read_digits(
            pictures,
            networks.digits,
            networks.opinion,
            DigitOptions(page, region=part_of(region)),
            self.settings.max_pixels,
        )
        for reading in readings:
            try:
                if isinstance(reading, Exception):
                    raise reading
                reading.require_legible(self.settings.min_legibility)
            except (PictureError, NotADigit) as error:
                answers.append(unanswered(error))
            else:
                reading = reading._replace(model=networks.digit_model)
                answers.append(conversion.prediction_of(reading, with_frame=False))
        return answers

    def read(
        self, picture: bytes, page: int | None = None, options: ReadOptions = AS_WRITTEN
    ) -> Text | Unanswered:
        """Return the text in a picture, or why there is no answer.

        Raises InvalidField.
        """
        networks, field = self.networks, options.field
        field.require_possible(networks.lines.spec)
        how = TextOptions(
            field,
            page,
            TURNS[options.rotate],
            options.alternatives,
            region=part_of(options.region),
        )
        try:
            opened = partial(open_image, picture, self.settings.max_pixels, page=page)
            text = networks.read_text(opened, how, Stopwatch())
        except (PictureError, ImpossibleLength) as error:
            return unanswered(error)
        if not options.marks:
            text = text.digits_only()
        return conversion.text_of(text, with_frames=False, characters=field.characters)

    def read_sheet(
        self, picture: bytes, page: int | None, options: SheetOptions
    ) -> FilledSheet | Unanswered:
        """Return the fields of a filled sheet, or why there is no answer.

        Raises InvalidForm or CannotGoOn.
        """
        _, lines, pages, _ = self.networks
        options.require_possible(lines.spec, pages is not None)
        assert pages is not None
        (numbers,) = sheets_of([page or 1], options.forms)
        how = FormOptions(options.forms, numbers, alternatives=options.alternatives)
        max_pixels = self.settings.max_pixels
        try:
            for number in numbers:
                with page_named(how):
                    image = open_image(picture, max_pixels, page=number)
                    sheet = sheet_in(decoded(image), lines, pages, how)
                how = replace(how, before=sheet)
        except PictureError as error:
            return unanswered(error)
        return conversion.sheet_of(sheet._replace(model=self.networks.text_model))

    def about(self) -> dict[str, Any]:
        """Return the file, the version and the metadata of each model."""
        models: dict[str, Any] = {}
        about = self.networks.about.items()
        for (name, facts), file in zip(about, self.settings.files, strict=False):
            models[name] = {"file": str(file)} | facts
        models.setdefault("pages", None)
        return {"models": models}
