"""Why a picture cannot be read.

PictureError
├── EmptyFile        the file is empty
├── NotAnImage       not one of the accepted formats
├── NoSuchPage       no page was chosen of several, or one that does not exist
├── TooManyPixels    more than `max_pixels`, checked before decoding
├── TooComplex       decoding takes too much memory or time
├── CorruptImage     an accepted format, but truncated or damaged
├── OutsidePicture   decoded, but the region to be read does not lie in it
├── BlankImage       decoded, but there is no ink in it
└── TooMuchWriting   decoded, but there is too much writing: see `app.text.limits`
"""


class PictureError(Exception):
    """The picture cannot be read; the message says why and what to do."""


class EmptyFile(PictureError):
    """The file is empty."""


class NotAnImage(PictureError):
    """The bytes are not a picture in one of the accepted formats."""


class NoSuchPage(PictureError):
    """The file has several pages and none was chosen, or one that does not exist."""


class TooManyPixels(PictureError):
    """The picture has more pixels than allowed."""


class TooComplex(PictureError):
    """Decoding the picture takes too much memory or time."""


class CorruptImage(PictureError):
    """The picture is truncated or damaged."""


class OutsidePicture(PictureError):
    """The region to be read does not lie in the picture."""


class BlankImage(PictureError):
    """There is no ink in the picture."""
