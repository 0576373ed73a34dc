"""HTTP client of a running service; resends the pictures that the service is too busy
for.
"""

import random
import re
import time
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode

import httpx2
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from app.answers.responses import Health, Prediction, Text
from app.cli.answers import InvalidOption, NoService, Unanswered
from app.cli.connection import (
    no_certificates,
    not_connected,
    reason,
    unknown,
    wrong_address,
)
from app.text.field import ANYTHING, Field

Content = TypeVar("Content", bound=BaseModel)
# Seconds before each retry, unless the service asks for more.
PAUSES = (0.5, 1, 2, 4, 8, 8)
MAX_PAUSE = 60  # seconds; if the service asks for a longer one, there is no retry
# Of a response; the longest, a text of 2,048 digits, takes a quarter of that.
MAX_BYTES = 2_000_000
TIMEOUT = httpx2.Timeout(60, connect=10)
KEEPALIVE_SECONDS = 3  # for an idle connection; uvicorn closes it after 5
BUSY = (429, 503)
RAW = {"content-type": "application/octet-stream"}
KEY_NEEDED = (401, 403)
NOT_OURS = (404, 405)
INVALID = "/problems/invalid-parameter"


class Service:
    """A thread-safe client of a service.

    Parameters
    ----------
    url : str
        The URL of the service.
    key : str or None
        The API key to send.
    at_once : int
        Maximum number of requests in flight.
    """

    def __init__(self, url: str, key: str | None, at_once: int) -> None:
        # For messages: no user name, no password.
        self.url = re.sub(r"^(\w+://)?.*@", r"\1", url.removesuffix("/"))
        if "://" not in url:
            raise NoService(f"{self.url} has no scheme: use --url http://{self.url}")
        self.at_once = at_once
        if key and not (key.isascii() and key.isprintable()):
            raise NoService(
                "The API key has characters that cannot be sent: check --api-key or "
                "DIGITS_API_KEY."
            )
        headers = {"x-api-key": key} if key else {}
        limits = httpx2.Limits(
            max_connections=at_once,
            max_keepalive_connections=at_once,
            keepalive_expiry=KEEPALIVE_SECONDS,
        )
        try:
            self.client = httpx2.Client(
                base_url=url, headers=headers, timeout=TIMEOUT, limits=limits
            )
        # ValueError: from a proxy in the environment.
        except (httpx2.InvalidURL, ValueError) as error:
            raise wrong_address(self.url, error) from error
        except OSError as error:
            raise no_certificates(error) from error

    def predict(self, data: bytes, page: int | None = None) -> Prediction:
        """Return the digit in a picture; raise Unanswered if there is none."""
        return self.content(
            self.post_until_served(path_with("predict", page=page), data), Prediction
        )

    def read(
        self,
        data: bytes,
        field: Field = ANYTHING,
        marks: bool = True,
        page: int | None = None,
        rotate: Literal["none", "auto"] = "none",
        alternatives: int = 0,
    ) -> Text:
        """Return the text in a picture, as the options say; raise Unanswered if it
        cannot be read.
        """
        changed = {
            "marks": None if marks else "false",
            "rotate": None if rotate == "none" else rotate,
            "alternatives": alternatives or None,
        }
        path = path_with("read", page=page, **asdict(field), **changed)
        return self.content(self.post_until_served(path, data), Text)

    def content(self, response: httpx2.Response, model: type[Content]) -> Content:
        """Return the content of a successful response.

        Raises Unanswered; or NoService or InvalidOption if no other request would
        succeed.
        """
        if response.status_code in KEY_NEEDED:
            raise NoService(
                f"{problem(response)} Set it with --api-key or DIGITS_API_KEY."
            )
        if response.status_code in NOT_OURS or response.is_redirect:
            status = f"{response.status_code} {response.reason_phrase}"
            raise unknown(self.url, f"answers {status} and is not a Digits service")
        if not response.is_success:
            is_invalid = field(response, "type") == INVALID
            raise (InvalidOption if is_invalid else Unanswered)(problem(response))
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise unknown(self.url, "answers, but is not a Digits service") from error

    def post_until_served(self, path: str, data: bytes) -> httpx2.Response:
        """Return the response to a picture, after retries while the service is too busy
        for it.
        """
        for pause in PAUSES:
            response = self.send("POST", path, content=data, headers=RAW)
            requested = requested_pause(response)
            if response.status_code not in BUSY or requested > MAX_PAUSE:
                return response
            time.sleep(max(pause, requested) * random.uniform(1, 1.25))  # noqa: S311 - jitter, so that clients do not retry together
        return self.send("POST", path, content=data, headers=RAW)

    def about(self) -> dict[str, Any]:
        """Return what the service reports about itself and its models."""
        return self.content(self.send("GET", "health"), Health).model_dump()

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def send(self, method: str, path: str, **body: Any) -> httpx2.Response:  # noqa: ANN401 - as in httpx2
        """Return the response to a request; translate connection errors. Raises
        NoService if it is too long.
        """
        try:
            with self.client.stream(method, path, **body) as response:
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > MAX_BYTES:
                        raise unknown(
                            self.url,
                            f"sends more than {MAX_BYTES:,} bytes and is not a "
                            "Digits service",
                        )
                # Since the content has been decoded.
                response.headers.pop("content-encoding", None)
                return httpx2.Response(
                    response.status_code,
                    headers=response.headers,
                    content=bytes(content),
                )
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise not_connected(self.url, error) from error
        except (
            httpx2.UnsupportedProtocol,
            httpx2.InvalidURL,
            httpx2.ProxyError,
        ) as error:
            raise wrong_address(self.url, error) from error
        except httpx2.TimeoutException as error:
            raise Unanswered(
                f"The service did not answer within {TIMEOUT.read:g} seconds."
            ) from error
        except httpx2.HTTPError as error:
            raise Unanswered(f"The connection failed: {reason(error)}.") from error


def path_with(path: str, **parameters: object) -> str:
    """Add query parameters to a path; those that are None are left out."""
    query = urlencode(
        {name: value for name, value in parameters.items() if value is not None}
    )
    return f"{path}?{query}" if query else path


def requested_pause(response: httpx2.Response) -> float:
    """Return the seconds to wait according to the Retry-After header; 0 if there is
    none.
    """
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    # TypeError: the date has no time zone.
    except (ValueError, TypeError, OverflowError):
        return 0


def problem(response: httpx2.Response) -> str:
    """Return why a request was refused, in the service's words if it gave any."""
    return (
        field(response, "detail")
        or f"The service answered {response.status_code} {response.reason_phrase}."
    )


def field(response: httpx2.Response, name: str) -> str:
    """Return a field of the problem that a response describes; "" if there is none."""
    try:
        return str(from_json(response.content)[name])
    except (ValueError, LookupError, TypeError):
        return ""
