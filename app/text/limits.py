"""How much may be written in a picture."""

from app.picture.errors import PictureError

MAX_DIGITS = 64  # per line; with more, there is too much writing


class TooMuchWriting(PictureError):
    """There is more writing, or noise that looks like it, than the limits allow."""

    def __init__(  # with a parameter, since exceptions are pickled with their message
        self,
        message: str = "There is too much writing or noise in the picture: crop it "
        "to fewer lines, or send it sharper.",
    ) -> None:
        super().__init__(message)
