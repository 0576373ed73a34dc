"""Connection errors → messages that say what to do."""

import re
import socket
import ssl

from app.many.errors import NoService, NotConnected

START = "start a service with `digits serve`, or choose another one with --url."


def wrong_address(url: str, error: Exception) -> NoService:
    """Return the error for an invalid URL, of the service or of a proxy."""
    return NoService(
        f"{url} cannot be used: {str(error).rstrip('.')}. Use a URL such as "
        "http://127.0.0.1:8000"
    )


def no_certificates(error: OSError) -> NoService:
    """Return the error for a missing or damaged file of trusted certificates."""
    return NoService(
        f"The certificates in SSL_CERT_FILE cannot be read ({reason(error)}): "
        "correct or unset it."
    )


def not_connected(url: str, error: Exception) -> NotConnected:
    """Return the error for a failed connection or TLS handshake."""
    match cause_of(error):
        case socket.gaierror():
            said = f"has an unknown host ({reason(error)}): check --url and DIGITS_URL."
        case ssl.SSLCertVerificationError() as cause:
            said = (
                f"has an untrusted certificate ({cause.verify_message}): set "
                "SSL_CERT_FILE to the certificate of its authority."
            )
        case ssl.SSLError():
            said = (
                f"does not speak TLS ({reason(error)}): try http:// instead of "
                "https://."
            )
        case _:
            said = f"does not answer ({reason(error)}): {START}"
    return NotConnected(f"{url} {said}")


def unknown(url: str, what: str) -> NoService:
    """Return the error for a URL without a Digits service; `what` happens there."""
    return NoService(f"{url} {what}: {START}")


def cause_of(error: BaseException) -> BaseException:
    """Return the root cause of an error."""
    while before := error.__cause__ or error.__context__:
        error = before
    return error


def reason(error: Exception) -> str:
    """Return the message of a connection error, without its number, its location in
    OpenSSL, and the full stop.
    """
    return re.sub(r"^\[.*?\] | \(_ssl\.c:\d+\)$|\.$", "", str(error))
