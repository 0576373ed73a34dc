"""Why a picture cannot be read.

PreprocessError
├── EmptyFile        there are no bytes
├── NotAnImage       not one of the accepted formats
├── TooManyPixels    more than `max_pixels`, found before decoding
├── TooComplex       decoding takes too much memory or time
├── CorruptImage     an accepted format, but cut off or damaged
├── BlankImage       decoded, but there is no ink on it
└── TooMuchWriting   decoded, but more is written on it than is read at once
"""


class PreprocessError(Exception):
    """The picture cannot be read; the message says why and what to do."""


class EmptyFile(PreprocessError):
    """There are no bytes."""


class NotAnImage(PreprocessError):
    """The bytes are not a picture in one of FORMATS."""


class TooManyPixels(PreprocessError):
    """The picture has more pixels than allowed."""


class TooComplex(PreprocessError):
    """Decoding the picture takes too much memory or time."""


class CorruptImage(PreprocessError):
    """The picture is cut off or damaged."""


class BlankImage(PreprocessError):
    """There is no ink on the picture."""


class TooMuchWriting(PreprocessError):
    """There is more writing on the picture, or noise that looks like it, than is read at once."""

    def __init__(self, message: str = "There is too much writing or noise on the picture: send a part of it.") -> None:
        super().__init__(message)
