"""Why a request fails, other than because its picture cannot be read.

WebError
├── UploadError            the request carries no picture
│   ├── UploadTooLarge     its body is larger than allowed
│   ├── UploadTooSlow      its body does not arrive in time
│   ├── MalformedMultipart its form cannot be parsed
│   ├── NoFile             its form has no file in the field `file`, or it has no body
│   └── SeveralFiles       it has more than one field `file`
├── NotADigit              the picture does not show one whole digit
├── Overloaded             an admission limit is reached
├── ShuttingDown           the service was told to stop
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


class MalformedMultipart(UploadError):
    """The form cannot be parsed."""


class NoFile(UploadError):
    """The form has no file in the field `file`, or there is no body."""


class SeveralFiles(UploadError):
    """The form has more than one field `file`."""


class NotADigit(WebError):
    """According to the network, the picture does not show one whole digit."""


class Overloaded(WebError):
    """An admission limit is reached."""


class ShuttingDown(WebError):
    """The service was told to stop and is finishing running requests."""


class Unauthorized(WebError):
    """The API key is missing or wrong."""
