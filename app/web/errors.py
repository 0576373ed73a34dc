"""Why a request fails, except for an unreadable picture.

WebError
├── UploadError            the request carries no picture
│   ├── UploadTooLarge     its body is larger than allowed
│   ├── UploadTooSlow      its body does not arrive in time
│   ├── UnsupportedEncoding its body is compressed in an unknown way, or damaged
│   ├── MalformedMultipart its form cannot be parsed
│   ├── MalformedJson      its JSON cannot be parsed
│   ├── NotBase64          a picture in its JSON is not in base64
│   ├── NoFile             its form has no file in the field `file`, or it has no body
│   ├── SeveralFiles       it has more than one field `file`
│   ├── TooManyPictures    it has more pictures than one request may have
│   └── InvalidInference   it does not follow the Open Inference Protocol
├── UnknownVersion         the model has another version
├── NotADigit              the picture does not show one whole digit
├── Overloaded             an admission limit is reached
├── ShuttingDown           the service was told to stop
├── CorrectionsOff         the service stores no corrections
└── Unauthorized           the API key is missing or wrong
"""


class WebError(Exception):
    """The request fails; the message says what is wrong and what to do."""


class UploadError(WebError):
    """The request carries no picture."""


class UploadTooLarge(UploadError):
    """The body is larger than allowed."""


class UploadTooSlow(UploadError):
    """The body does not arrive in time."""


class UnsupportedEncoding(UploadError):
    """The body is compressed in an unknown way, or damaged."""


class MalformedMultipart(UploadError):
    """The form cannot be parsed."""


class MalformedJson(UploadError):
    """The JSON cannot be parsed."""


class NotBase64(UploadError):
    """A picture in the JSON is not in base64."""


class NoFile(UploadError):
    """There is no body, no file in the form's field, or no `image` in the JSON object."""


class SeveralFiles(UploadError):
    """The form has more than one field `file`."""


class TooManyPictures(UploadError):
    """The request has more pictures than allowed."""


class InvalidInference(UploadError):
    """The request does not follow the Open Inference Protocol."""


class UnknownVersion(WebError):
    """The model has another version."""


class NotADigit(WebError):
    """According to the network, the picture does not show one whole digit."""


class Overloaded(WebError):
    """An admission limit is reached."""


class ShuttingDown(WebError):
    """The service was told to stop and is finishing running requests."""


class CorrectionsOff(WebError):
    """The service stores no corrections."""


class Unauthorized(WebError):
    """The API key is missing or wrong."""
