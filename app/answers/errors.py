"""Why a request fails, except for an unreadable picture; each error is a problem.

The type of a problem is the name of its class: `upload-too-large` for UploadTooLarge.
"""

from collections.abc import Mapping
from typing import ClassVar

from app.answers.responses import FilledSheet, Prediction, Text


class WebError(Exception):
    """The request fails; the message says what is wrong and what to do."""

    status: ClassVar[int]
    title: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}


class AmbiguousLength(WebError):
    """The request says in two ways where its body ends.

    A proxy in front of the service might see another request in it.
    """

    status = 400
    title = "The length of the body is ambiguous"
    headers: ClassVar = {"Connection": "close"}


class MalformedMultipart(WebError):
    """The form cannot be parsed."""

    status = 400
    title = "The multipart form is malformed"


class MalformedJson(WebError):
    """The JSON cannot be parsed."""

    status = 400
    title = "The JSON is malformed"


class InvalidInference(WebError):
    """The request does not follow the Open Inference Protocol."""

    status = 400
    title = "The inference request is invalid"


class Unauthorized(WebError):
    """The API key is missing or wrong."""

    status = 401
    title = "An API key is required"
    headers: ClassVar = {"WWW-Authenticate": "Bearer"}


class CrossOrigin(WebError):
    """A page of another origin asks for a correction to be stored."""

    status = 403
    title = "The request comes from a page of another origin"


class UnknownUnit(WebError):
    """The first layer of the network has no such unit."""

    status = 404
    title = "The network has no such unit"


class UnknownVersion(WebError):
    """The model has another version."""

    status = 404
    title = "The model has another version"


class CorrectionsOff(WebError):
    """The service stores no corrections."""

    status = 404
    title = "The service stores no corrections"


class UnknownForm(WebError):
    """The service has no such form."""

    status = 404
    title = "The service has no such form"


class NoPageNetwork(WebError):
    """There is no network for pages, so sheets cannot be found."""

    status = 404
    title = "The service reads no forms"


class UploadTooSlow(WebError):
    """The body does not arrive in time."""

    status = 408
    title = "The upload took too long"


class UploadTooLarge(WebError):
    """The body is larger than allowed."""

    status = 413
    title = "The upload is too large"


class UnsupportedEncoding(WebError):
    """The body is compressed in an unknown way, or damaged."""

    status = 415
    title = "The body cannot be decompressed"


class NoFile(WebError):
    """There is no picture in the body, the form or the JSON."""

    status = 422
    title = "The request contains no picture"


class NotBase64(WebError):
    """A picture in the JSON is not in base64."""

    status = 422
    title = "The picture is not in base64"


class SeveralFiles(WebError):
    """The form has more than one field `file`."""

    status = 422
    title = "The request contains more than one picture"


class TooManyPictures(WebError):
    """The request has more pictures than allowed."""

    status = 422
    title = "The request contains too many pictures"


class TooManyPages(WebError):
    """The document has more pages than one request reads."""

    status = 422
    title = "The document has too many pages"


class NotSure(WebError):
    """The answer, which is `reading`, is less certain than the request asks for."""

    status = 422
    title = "The answer is not sure enough"

    def __init__(self, message: str, reading: Prediction | Text | FilledSheet) -> None:
        super().__init__(message)
        self.reading = reading


class Overloaded(WebError):
    """The request would have to wait too long; `seconds` is for how long."""

    status = 503
    title = "The service is overloaded"

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"Too many pictures are being sent at once: try again in {seconds} s."
        )
        self.seconds = seconds


class ShuttingDown(WebError):
    """The service was told to stop and is finishing running requests."""

    status = 503
    title = "The service is shutting down"
    headers: ClassVar = {"Retry-After": "1"}

    def __init__(self) -> None:
        super().__init__(
            "The service is shutting down: send the request to another instance."
        )
