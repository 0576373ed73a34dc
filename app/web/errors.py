"""Why a request gets no answer, other than because its picture cannot be read.

WebError
├── UploadError            the request carries no picture
│   ├── UploadTooLarge     its body is larger than allowed
│   ├── UploadTooSlow      its body is not complete in time
│   ├── UnsupportedEncoding it is compressed in an unknown way, or damaged
│   ├── MalformedMultipart its form cannot be parsed
│   ├── MalformedJson      its JSON cannot be parsed
│   ├── NotBase64          a picture in its JSON is not in base64
│   ├── NoFile             it has no field `file`, or that is not a file
│   ├── SeveralFiles       it has more than one field `file`
│   ├── TooManyPictures    it has more pictures than one request may have
│   └── InvalidInference   it is not as the Open Inference Protocol has it
├── UnknownVersion         the model has another version
├── NotADigit              the picture does not show one whole digit
├── Overloaded             more work is in hand than allowed
├── ShuttingDown           the service was told to stop
└── Unauthorized           the request has no key, or a wrong one
"""


class WebError(Exception):
    """A request that gets no answer; the message says why and what to do."""


class UploadError(WebError):
    """The request carries no picture."""


class UploadTooLarge(UploadError):
    """The body is larger than allowed."""


class UploadTooSlow(UploadError):
    """The body is not complete in time."""


class UnsupportedEncoding(UploadError):
    """The body is compressed in an unknown way, or damaged."""


class MalformedMultipart(UploadError):
    """The form cannot be parsed."""


class MalformedJson(UploadError):
    """The JSON cannot be parsed."""


class NotBase64(UploadError):
    """A picture in the JSON is not in base64."""


class NoFile(UploadError):
    """There is no field `file`, or it is not a file."""


class SeveralFiles(UploadError):
    """There is more than one field `file`."""


class TooManyPictures(UploadError):
    """There are more pictures than one request may have."""


class InvalidInference(UploadError):
    """The request is not as the Open Inference Protocol has it."""


class UnknownVersion(WebError):
    """The model has another version."""


class NotADigit(WebError):
    """The picture does not show one whole digit, as far as the network can tell."""


class Overloaded(WebError):
    """More work is in hand than allowed."""


class ShuttingDown(WebError):
    """The service was told to stop, and finishes what it has begun."""


class Unauthorized(WebError):
    """The request has no key, or a wrong one."""
