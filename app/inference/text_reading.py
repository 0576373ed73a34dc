"""Picture bytes → text, in this process; and the error raised if no text has the requested length."""

from contextlib import suppress

from app.inference.classifier import Classifier
from app.inference.search import LAYOUTS, find
from app.inference.text import Text, text_of
from app.inference.thresholds import MAX_PIXELS
from app.preprocess.errors import TooComplex, TooMuchWriting

# If a close look raises one of these, the result of the glance is the answer.
TOO_MUCH = TooComplex, TooMuchWriting


class ImpossibleLength(Exception):
    """No reading of the picture has the requested number of digits."""

    def __init__(self, length: int) -> None:
        super().__init__(f"The picture cannot be read with a length of {length}: leave the length out, or correct it.")


def read_text_bytes(
    data: bytes, classifier: Classifier, max_pixels: int = MAX_PIXELS, length: int | None = None
) -> Text:
    """Read all digits in one picture, or exactly `length`; raises PreprocessError, or ImpossibleLength."""
    text = text_of(find(data, max_pixels, LAYOUTS, closely=False).results, classifier, length)
    if not text.is_sure:
        with suppress(*(TOO_MUCH if text.lines else ())):
            text = text_of(find(data, max_pixels, LAYOUTS, closely=True).results, classifier, length)
    return checked(text, length)


def checked(text: Text, length: int | None) -> Text:
    """Return the text; raise ImpossibleLength if a length was requested and no reading has it."""
    if length is not None and not text.lines:
        raise ImpossibleLength(length)
    return text
