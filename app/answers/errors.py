"""Why a request fails, except for an unreadable picture.

WebError
├── UploadTooLarge       the body is larger than allowed
├── UploadTooSlow        the body does not arrive in time
├── UnsupportedEncoding  the body is compressed in an unknown way, or damaged
├── AmbiguousLength      the request says in two ways where its body ends
├── QueryTooLong         the query has more bytes than allowed
├── MalformedMultipart   the form cannot be parsed
├── MalformedJson        the JSON cannot be parsed
├── NotBase64            a picture in the JSON is not in base64
├── NoFile               there is no picture in the body, the form or the JSON
├── SeveralFiles         the form has more than one field `file`
├── TooManyPictures      the request has more pictures than allowed
├── TooManyPages         the document has more pages than one request reads
├── InvalidInference     the request does not follow the Open Inference Protocol
├── UnknownUnit          the network has no such unit
├── UnknownVersion       the model has another version
├── NotSure              the answer is less certain than the request asks for
├── Overloaded           the request would have to wait too long
├── ShuttingDown         the service was told to stop
├── CorrectionsOff       the service stores no corrections
├── CrossOrigin          a page of another origin asks for a correction to be stored
└── Unauthorized         the API key is missing or wrong
"""

from app.answers.responses import Prediction, Text


class WebError(Exception):
    """The request fails; the message says what is wrong and what to do."""


class UploadTooLarge(WebError):
    """The body is larger than allowed."""


class UploadTooSlow(WebError):
    """The body does not arrive in time."""


class UnsupportedEncoding(WebError):
    """The body is compressed in an unknown way, or damaged."""


class AmbiguousLength(WebError):
    """The request says in two ways where its body ends.

    A proxy in front of the service might see another request in it.
    """


class QueryTooLong(WebError):
    """The query has more bytes than allowed."""


class MalformedMultipart(WebError):
    """The form cannot be parsed."""


class MalformedJson(WebError):
    """The JSON cannot be parsed."""


class NotBase64(WebError):
    """A picture in the JSON is not in base64."""


class NoFile(WebError):
    """There is no picture in the body, the form or the JSON."""


class SeveralFiles(WebError):
    """The form has more than one field `file`."""


class TooManyPictures(WebError):
    """The request has more pictures than allowed."""


class TooManyPages(WebError):
    """The document has more pages than one request reads."""


class InvalidInference(WebError):
    """The request does not follow the Open Inference Protocol."""


class UnknownUnit(WebError):
    """The first layer of the network has no such unit."""


class UnknownVersion(WebError):
    """The model has another version."""


class NotSure(WebError):
    """The answer, which is `reading`, is less certain than the request asks for."""

    def __init__(self, message: str, reading: Prediction | Text) -> None:
        super().__init__(message)
        self.reading = reading


class Overloaded(WebError):
    """The request would have to wait too long; `seconds` is for how long."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"Too many pictures are being sent at once: try again in {seconds} s."
        )
        self.seconds = seconds


class ShuttingDown(WebError):
    """The service was told to stop and is finishing running requests."""

    def __init__(self) -> None:
        super().__init__(
            "The service is shutting down: send the request to another instance."
        )


class CrossOrigin(WebError):
    """A page of another origin asks for a correction to be stored."""


class CorrectionsOff(WebError):
    """The service stores no corrections."""


class Unauthorized(WebError):
    """The API key is missing or wrong."""
