"""Why a picture cannot be read.

PreprocessError
├── EmptyFile        the file is empty
├── NotAnImage       not one of the accepted formats
├── NoSuchPage       no page was chosen of several, or one that does not exist
├── TooManyPixels    more than `max_pixels`, checked before decoding
├── TooComplex       decoding takes too much memory or time
├── CorruptImage     an accepted format, but truncated or damaged
├── BlankImage       decoded, but there is no ink in it
└── TooMuchWriting   decoded, but there is more writing in it than the limits allow
"""

from collections.abc import Callable
from typing import TypeVar

MAX_DIGITS = 64  # per line; with more, there is too much writing
Item = TypeVar("Item")
Result = TypeVar("Result")


class PreprocessError(Exception):
    """The picture cannot be read; the message says why and what to do."""


class EmptyFile(PreprocessError):
    """The file is empty."""


class NotAnImage(PreprocessError):
    """The bytes are not a picture in one of the accepted formats."""


class NoSuchPage(PreprocessError):
    """The file has several pages and none was chosen, or one that does not exist."""


class TooManyPixels(PreprocessError):
    """The picture has more pixels than allowed."""


class TooComplex(PreprocessError):
    """Decoding the picture takes too much memory or time."""


class CorruptImage(PreprocessError):
    """The picture is truncated or damaged."""


class BlankImage(PreprocessError):
    """There is no ink in the picture."""


class TooMuchWriting(PreprocessError):
    """There is more writing, or noise that looks like it, than the limits allow."""

    def __init__(  # with a parameter, since exceptions are pickled with their message
        self,
        message: str = "There is too much writing or noise in the picture: crop it "
        "to fewer lines, or send it sharper.",
    ) -> None:
        super().__init__(message)


def attempt(
    function: Callable[[Item], Result], item: Item | Exception
) -> Result | Exception:
    """Return a function's result for an item, or the exception that it raised.

    An item that is an exception is returned as it is. A PreprocessError loses its
    traceback, which would keep the picture in memory.
    """
    if isinstance(item, Exception):
        return item
    try:
        return function(item)
    except PreprocessError as error:
        return error.with_traceback(None)
    except Exception as error:  # one bad picture must not affect the others
        return error
