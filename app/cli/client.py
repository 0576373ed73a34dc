"""HTTP client of a service; resends pictures for which the service is too busy."""

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx2
from httpx2 import Request, Response
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from app.answers.responses import Health, Prediction, Predictions, Text
from app.cli.answers import (
    AS_WRITTEN,
    InvalidOption,
    NoService,
    ReadOptions,
    Unanswered,
)
from app.cli.connection import (
    no_certificates,
    not_connected,
    reason,
    unknown,
    wrong_address,
)

Content = TypeVar("Content", bound=BaseModel)
# Seconds before each retry, unless the service asks for more.
PAUSES = (0.5, 1, 2, 4, 8, 8)
MAX_PAUSE = 60  # seconds; if the service asks for a longer one, there is no retry
# Of a response. The longest, a text of 2,048 digits, has a quarter of that.
MAX_BYTES = 2_000_000
TIMEOUT = httpx2.Timeout(60, connect=10)
KEEPALIVE_SECONDS = 3  # for an idle connection; uvicorn closes it after 5
BUSY = (429, 503)
RAW = {"content-type": "application/octet-stream"}
KEY_NEEDED = (401, 403)
NOT_OURS = (404, 405)
NOT_DIGITS = "answers, but is not a Digits service"
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
    sleep : Callable
        Waits for some seconds.
    """

    batch = 64  # small pictures in one request; more gain nothing

    def __init__(
        self,
        url: str,
        key: str | None,
        at_once: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # For messages, without a user name and password.
        self.url = re.sub(r"^(\w+://)?.*@", r"\1", url.removesuffix("/"))
        if "://" not in url:
            raise NoService(f"{self.url} has no scheme: use --url http://{self.url}")
        self.at_once = at_once
        self.sleep = sleep
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
        # A ValueError comes from a proxy in the environment.
        except (httpx2.InvalidURL, ValueError) as error:
            raise wrong_address(self.url, error) from error
        except OSError as error:
            raise no_certificates(error) from error

    def predict(
        self, pictures: Sequence[bytes], page: int | None = None
    ) -> list[Prediction | Unanswered]:
        """Return the digit in each picture, or why there is no answer."""
        path = path_with("predict", {"page": page})
        alone = partial(self.answer, path, Prediction)
        if len(pictures) == 1:
            return [alone(pictures[0])]
        files = [("files", picture) for picture in pictures]
        together = path_with("predict/batch", {"page": page})
        request = self.client.build_request("POST", together, files=files)
        try:
            results = self.content(self.post(request), Predictions).results
        except Unanswered:  # such as those that are too large together
            return list(map(alone, pictures))
        if len(results) != len(pictures):
            raise unknown(self.url, NOT_DIGITS)
        answers: list[Prediction | Unanswered] = []
        for picture, result in zip(pictures, results, strict=True):
            if isinstance(result, Prediction):
                answers.append(result)
            elif result.error.status in BUSY:
                answers.append(alone(picture))
            else:
                answers.append(Unanswered(result.error.detail))
        return answers

    def read(
        self,
        pictures: Sequence[bytes],
        page: int | None = None,
        options: ReadOptions = AS_WRITTEN,
    ) -> list[Text | Unanswered]:
        """Return the text in each picture, or why there is no answer."""
        parameters = {
            "page": page,
            **asdict(options.field),
            "marks": None if options.marks else "false",
            "rotate": None if options.rotate == "none" else options.rotate,
            "alternatives": options.alternatives or None,
        }
        path = path_with("read", parameters)
        return [self.answer(path, Text, picture) for picture in pictures]

    def about(self) -> dict[str, Any]:
        """Return what the service reports about itself and its models."""
        response = self.send(self.client.build_request("GET", "health"))
        return self.content(response, Health).model_dump()

    def answer(
        self, path: str, model: type[Content], picture: bytes
    ) -> Content | Unanswered:
        """Return the answer for one picture, or why there is none."""
        request = self.client.build_request("POST", path, content=picture, headers=RAW)
        try:
            return self.content(self.post(request), model)
        except Unanswered as error:
            return error

    def content(self, response: Response, model: type[Content]) -> Content:
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
            is_invalid = member(response, "type") == INVALID
            raise (InvalidOption if is_invalid else Unanswered)(problem(response))
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise unknown(self.url, NOT_DIGITS) from error

    def post(self, request: Request) -> Response:
        """Return the response, after retries while the service is too busy."""
        for pause in PAUSES:
            response = self.send(request)
            requested = requested_pause(response)
            if response.status_code not in BUSY or requested > MAX_PAUSE:
                return response
            jitter = random.uniform(1, 1.25)  # noqa: S311 - clients should not retry together
            self.sleep(max(pause, requested) * jitter)
        return self.send(request)

    def send(self, request: Request) -> Response:
        """Return the response, or raise why there is none."""
        try:
            with closing(self.client.send(request, stream=True)) as response:
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > MAX_BYTES:
                        raise unknown(
                            self.url,
                            f"sends more than {MAX_BYTES:,} bytes and is not a "
                            "Digits service",
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
        response.headers.pop("content-encoding", None)  # the content is decoded
        return Response(
            response.status_code, headers=response.headers, content=bytes(content)
        )


def path_with(path: str, parameters: Mapping[str, object]) -> str:
    """Add the query parameters that are not None to a path."""
    given = {name: each for name, each in parameters.items() if each is not None}
    return f"{path}?{urlencode(given)}" if given else path


def requested_pause(response: Response) -> float:
    """Return the seconds to wait according to the Retry-After header, 0 without one."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # TypeError: it has no time zone
        return 0


def problem(response: Response) -> str:
    """Return why a request was refused, in the service's words if it gave any."""
    return (
        member(response, "detail")
        or f"The service answered {response.status_code} {response.reason_phrase}."
    )


def member(response: Response, name: str) -> str:
    """Return a member of the problem that a response describes, "" if it has none."""
    try:
        return str(from_json(response.content)[name])
    except (ValueError, LookupError, TypeError):
        return ""
