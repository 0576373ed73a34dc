"""Why there is no connection to a service → a sentence that says what to do."""

import re
import socket
import ssl

from app.cli.answers import NoService


def without_scheme(url: str) -> NoService:
    """The address does not begin as one does."""
    return NoService(f"{url} has no scheme: use --url http://{url}")


def wrong_address(url: str, error: Exception) -> NoService:
    """The address, or that of a proxy in the environment, is not one."""
    return NoService(f"{url} cannot be used: {str(error).rstrip('.')}. Write it as in --url http://127.0.0.1:8000")


def no_certificates(error: OSError) -> NoService:
    """The file that names the trusted authorities is missing or damaged."""
    return NoService(f"The certificates in SSL_CERT_FILE cannot be read ({reason(error)}): correct it, or unset it.")


def not_connected(url: str, error: Exception) -> NoService:
    """Nobody answers at the address, or not over TLS."""
    match cause_of(error):
        case socket.gaierror():
            return NoService(f"{url} has an unknown host ({reason(error)}): check --url and DIGITS_URL.")
        case ssl.SSLCertVerificationError() as cause:
            why = f"has a certificate that is not trusted ({cause.verify_message})"
            return NoService(f"{url} {why}: name the file of its authority in SSL_CERT_FILE.")
        case ssl.SSLError():
            return NoService(f"{url} does not speak TLS ({reason(error)}): try http:// instead of https://.")
    return unknown(url, f"does not answer ({reason(error)})")


def unknown(url: str, what: str) -> NoService:
    """The service is not there, or not one of ours."""
    return NoService(f"{url} {what}: start a service with `digits serve`, or name another one with --url.")


def cause_of(error: BaseException) -> BaseException:
    """The error that the others come from."""
    while before := error.__cause__ or error.__context__:
        error = before
    return error


def reason(error: Exception) -> str:
    """What went wrong with a connection, without its number, its place in OpenSSL's source and the full stop."""
    return re.sub(r"^\[.*?\] | \(_ssl\.c:\d+\)$|\.$", "", str(error))
