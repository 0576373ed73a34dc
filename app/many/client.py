"""HTTP client of a service; resends what it is too busy for, or does not answer."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import urlencode

import httpx2
from httpx2 import Request, Response
from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import from_json

from app.answers.responses import (
    NO_ANSWER,
    TRANSIENT,
    UNREADABLE,
    Document,
    FilledSheet,
    Health,
    Prediction,
    Predictions,
    Text,
)
from app.many.congestion import Window
from app.many.connection import (
    no_certificates,
    not_connected,
    reason,
    unknown,
    wrong_address,
)
from app.many.engine import AS_WRITTEN, Engine, ReadOptions, SheetOptions
from app.many.errors import InvalidOption, NoService, NotConnected, Unanswered
from app.many.messages import say
from app.many.patience import Patience, Tries
from app.printable import printable

Content = TypeVar("Content", bound=BaseModel)
# Of a response. The longest, a text of 2,048 digits, has a quarter of that.
MAX_BYTES = 2_000_000
TIMEOUT = httpx2.Timeout(60, connect=10)
KEEPALIVE_SECONDS = 3  # for an idle connection; uvicorn closes it after 5
BUSY = (429, 503)
NO_SERVICE = (502, 504)  # a proxy says so
RAW = {"content-type": "application/octet-stream"}
KEY_NEEDED = (401, 403)
NOT_OURS = (404, 405)
NOT_DIGITS = "answers, but is not a Digits service"
INVALID = "invalid-parameter"


class TextOrDocument(RootModel[Text | Document]):
    """What is written in a picture, or on the pages of a file that has several."""


class Refusal(NamedTuple):
    """Why a try failed that may be repeated."""

    error: NotConnected | Unanswered
    is_busy: bool = False  # the service says so; else it says nothing
    pause: float = 0  # the seconds that it asks for


class Client(Engine):
    """A thread-safe client of a service.

    Parameters
    ----------
    url : str
        The URL of the service.
    key : str or None
        The API key to send.
    at_once : int
        Maximum number of requests in flight.
    patience : Patience or None
        How long requests are tried again; by default, two hours.
    sleep : Callable or None
        Waits for some seconds; by default, until the client is closed at most.
    """

    batch = 64  # small pictures in one request; more gain nothing

    def __init__(
        self,
        url: str,
        key: str | None,
        at_once: int,
        patience: Patience | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        # For messages, without a user name and password.
        self.url = re.sub(r"^(\w+://)?.*@", r"\1", url.removesuffix("/"))
        if "://" not in url:
            raise NoService(f"{self.url} has no scheme: use --url http://{self.url}")
        self.at_once = at_once
        self.window = Window(at_once)
        self.patience = patience or Patience()
        self.closed = threading.Event()
        self.sleep = sleep or self.closed.wait
        self.first_wait = threading.Lock()  # taken by the thread that says so
        if key and not (key.isascii() and key.isprintable()):
            raise NoService(
                "The API key has characters that cannot be sent: check --api-key or "
                "DIGITS_API_KEY."
            )
        headers = {"x-api-key": key} if key else {}
        limits = httpx2.Limits(
            max_keepalive_connections=at_once, keepalive_expiry=KEEPALIVE_SECONDS
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.closed.set()  # threads that wait to try again end
        self.client.close()

    def predict(
        self,
        pictures: Sequence[bytes],
        page: int | None = None,
        region: str | None = None,
    ) -> list[Prediction | Unanswered]:
        """Return the digit in each picture, or why there is no answer."""
        parameters = {"page": page, "region": region}
        path = path_with("predict", parameters)
        alone = partial(self.answer, path, Prediction)
        if len(pictures) == 1:
            return [alone(pictures[0])]
        files = [("files", picture) for picture in pictures]
        together = path_with("predict/batch", parameters)
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
                continue
            error, name = result.error, name_of(result.error.type)
            if error.status in BUSY or name in TRANSIENT:
                answers.append(alone(picture))
            else:
                answers.append(Unanswered(error.detail, name))
        return answers

    def read(
        self, picture: bytes, page: int | None = None, options: ReadOptions = AS_WRITTEN
    ) -> Text | Unanswered:
        """Return the text in a picture, or why there is no answer."""
        field = asdict(options.field)
        values = field.pop("values")  # it may be too long for a URL
        parameters = {
            "page": page,
            **field,
            "marks": None if options.marks else "false",
            "rotate": None if options.rotate == "none" else options.rotate,
            "alternatives": options.alternatives or None,
            "region": options.region,
        }
        path = path_with("read", parameters)
        answer = self.answer(path, TextOrDocument, picture, values)
        if isinstance(answer, Unanswered):
            return answer
        if isinstance(answer.root, Document):
            # It had one when its pages were counted.
            return Unanswered(
                "The file was changed, and has several pages now: read it again.",
                UNREADABLE,
            )
        return answer.root

    def read_sheet(
        self, picture: bytes, page: int | None, options: SheetOptions
    ) -> FilledSheet | Unanswered:
        """Return the fields of a filled sheet, or why there is no answer."""
        parameters = {"page": page or 1, "alternatives": options.alternatives or None}
        forms = [form.model_dump_json(exclude_unset=True) for form in options.forms]
        parts = [("form", (None, form.encode())) for form in forms]
        request = self.client.build_request(
            "POST", path_with("read", parameters), files=[("file", picture), *parts]
        )
        try:
            return self.content(self.post(request), FilledSheet)
        except Unanswered as error:
            return error

    def about(self) -> dict[str, Any]:
        """Return what the service reports about itself and its models."""
        response = self.send(self.client.build_request("GET", "health"))
        return self.content(response, Health).model_dump()

    def answer(
        self, path: str, model: type[Content], picture: bytes, values: str | None = None
    ) -> Content | Unanswered:
        """Return the answer for one picture, or why there is none."""
        post = partial(self.client.build_request, "POST", path)
        if values is None:
            request = post(content=picture, headers=RAW)
        else:
            request = post(files={"file": picture, "values": values.encode()})
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
            name = name_of(member(response, "type"))
            if name == INVALID:
                raise InvalidOption(problem(response))
            raise Unanswered(problem(response), name)
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise unknown(self.url, NOT_DIGITS) from error

    def post(self, request: Request) -> Response:
        """Return the response, after other tries while the service is busy or silent.

        Raises Unanswered if it answers, but not this request, or else NoService.
        """
        tries = Tries(self.patience)
        age = self.window.age()
        while isinstance(outcome := self.attempt(request, age), Refusal):
            if outcome.is_busy:
                left = tries.note_busy()
            else:
                # A single connection may break, as when an idle one is closed.
                if tries.silent_since is not None:
                    self.say_once_that_it_waits()
                left = tries.note_silence()
            if left <= 0:
                raise self.in_the_end(outcome)
            # A little more than is left, or a rounded clock might never reach the end.
            self.sleep(min(tries.pause(outcome.pause), left + 0.01))
        self.patience.note_answer()
        return outcome

    def attempt(self, request: Request, age: int) -> Response | Refusal:
        """Send a request as soon as the window has a place for it."""
        ticket = self.window.enter(age)
        outcome: Response | Refusal | None = None
        try:
            if self.closed.is_set():
                raise NoService("The client is closed.")
            outcome = self.outcome(request)
        finally:
            self.window.leave(ticket, isinstance(outcome, Refusal))
        return outcome

    def outcome(self, request: Request) -> Response | Refusal:
        """Send a request; return why it failed if another try may succeed.

        Raises NoService if none would, as where no service was ever found.
        """
        try:
            response = self.send(request)
        except NotConnected as error:
            if not self.patience.has_heard():
                raise
            return Refusal(error)
        except Unanswered as error:
            return Refusal(error)
        is_busy = response.status_code in BUSY
        if not is_busy and response.status_code not in NO_SERVICE:
            return response
        name = "overloaded" if is_busy else NO_ANSWER
        refusal = Unanswered(problem(response), name)
        return Refusal(refusal, is_busy, requested_pause(response))

    def say_once_that_it_waits(self) -> None:
        """Say on standard error that the service does not answer."""
        if self.first_wait.acquire(blocking=False):
            waits = f"trying again for up to {minutes(self.patience.silent_seconds)}."
            say(printable(f"{self.url} does not answer: {waits}"), err=True)

    def in_the_end(self, refusal: Refusal) -> Unanswered | NoService:
        """Return the error after the last try: only of this picture, if the service
        answers others.
        """
        error = refusal.error
        patience = self.patience
        if refusal.is_busy:
            seconds = patience.busy_seconds
            is_alive = not patience.is_stuck()
        else:
            seconds = patience.silent_seconds
            is_alive = not patience.is_silent() or self.is_alive()
        if is_alive:
            is_named = isinstance(error, Unanswered)
            return error if is_named else Unanswered(str(error), NO_ANSWER)
        if isinstance(error, NoService):
            return error
        return NoService(f"{self.url} answered nothing for {minutes(seconds)}. {error}")

    def is_alive(self) -> bool:
        """Return whether the service answers anything, even if not this picture."""
        outcome = self.outcome(self.client.build_request("GET", "health"))
        return isinstance(outcome, Response) or outcome.is_busy

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
                f"The service did not answer within {TIMEOUT.read:g} seconds.",
                NO_ANSWER,
            ) from error
        except httpx2.HTTPError as error:
            said = f"The connection failed: {reason(error)}."
            raise Unanswered(said, NO_ANSWER) from error
        response.headers.pop("content-encoding", None)  # the content is decoded
        return Response(
            response.status_code, headers=response.headers, content=bytes(content)
        )


def minutes(seconds: float) -> str:
    """Return a time in words."""
    return f"{seconds / 60:g} minutes"


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


def name_of(type: str) -> str:
    """Return the name of a type of problem, `no-answer` if it is none of the service's.

    >>> name_of("/problems/not-an-image"), name_of("about:blank")
    ('not-an-image', 'no-answer')
    """
    _, is_ours, name = type.rpartition("/problems/")
    return name if is_ours else NO_ANSWER


def member(response: Response, name: str) -> str:
    """Return a member of the problem that a response describes, "" if it has none."""
    try:
        return str(from_json(response.content)[name])
    except (ValueError, LookupError, TypeError):
        return ""
