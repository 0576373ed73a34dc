"""The client, against small services that answer well, are busy or misbehave."""

import gzip
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.cli import client
from app.cli.answers import NoService, Unanswered
from app.cli.client import MAX_BYTES, PAUSES, Service
from app.preprocess.errors import MAX_DIGITS
from app.preprocess.lines import MAX_LINES
from app.web.answers import CORRUPT_IMAGE
from support import NUMBER, OVERLOADED, SEVEN, Response, answering, busy


@contextmanager
def asking(respond: Callable[[dict[str, str]], Response], key: str | None = None) -> Iterator[Service]:
    with answering(respond) as url, closing(Service(url, key, at_once=2)) as service:
        yield service


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """Record the seconds that the client would wait, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waited.append)
    return waited


def test_an_answer_is_parsed():
    with asking(lambda _: (200, {}, SEVEN)) as service:
        assert service.predict(b"picture").model_dump(exclude_unset=True) == SEVEN


def test_a_text_is_parsed():
    with asking(lambda _: (200, {}, NUMBER)) as service:
        assert service.read(b"picture").model_dump(exclude_unset=True) == NUMBER


@pytest.mark.parametrize("status", [429, 503])
def test_a_picture_is_retried_after_retry_after(pauses, status):
    with asking(busy(2, {"Retry-After": "3"}, status)) as service:
        assert service.predict(b"picture").digit == 7
    assert len(pauses) == 2
    assert all(3 <= pause <= 3 * 1.25 for pause in pauses)


def test_retry_after_may_be_a_date(pauses):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    with asking(busy(1, {"Retry-After": soon})) as service:
        assert service.predict(b"picture").digit == 7
    assert 20 < pauses[0] < 30 * 1.25


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Retry-After": "0"},
        {"Retry-After": "soon"},
        {"Retry-After": "Fri, 27 Nov 2026 12:00:00"},
        {"Retry-After": "Fri, 27 Nov 2026 12:00:00 +99999999999"},
        {"Retry-After": "é"},
    ],
)
def test_the_pauses_grow_and_are_limited(pauses, headers):
    with (
        asking(busy(100, headers)) as service,
        pytest.raises(Unanswered, match="try again in a second"),
    ):
        service.predict(b"picture")
    assert all(pause >= least for pause, least in zip(pauses, PAUSES, strict=True))


def test_a_retry_after_of_an_hour_is_not_waited_for(pauses):
    with asking(busy(1, {"Retry-After": "3600"})) as service, pytest.raises(Unanswered):
        service.predict(b"picture")
    assert pauses == []


FORM = "multipart/form-data"
REFUSED = {"error": {**CORRUPT_IMAGE, "detail": "The file is not a picture."}}
BUSY = {"error": {**CORRUPT_IMAGE, "status": 503, "detail": "Earlier pictures take too long to decode."}}


def answers_of(batch: Response) -> tuple[list, list[bool]]:
    """Return the answers for two pictures if a batch is answered like this, and which requests were batches."""
    asked = []

    def respond(headers):
        asked.append(headers["content-type"].startswith(FORM))
        return batch if asked[-1] else (200, {}, SEVEN)

    with asking(respond) as service:
        return service.predict_several([b"first", b"second"]), asked


def test_several_pictures_are_sent_in_one_request():
    (answer, refused), asked = answers_of((200, {}, {"results": [SEVEN, REFUSED]}))
    assert answer.model_dump(exclude_unset=True) == SEVEN
    assert isinstance(refused, Unanswered)
    assert str(refused) == "The file is not a picture."
    assert asked == [True]


def test_a_picture_that_timed_out_in_a_batch_is_retried_alone():
    answers, asked = answers_of((200, {}, {"results": [BUSY, SEVEN]}))
    assert [answer.digit for answer in answers] == [7, 7]
    assert asked == [True, False]


@pytest.mark.parametrize(
    "batch",
    [
        (404, {}, {"type": "/problems/not-found"}),
        (413, {}, {"type": "/problems/upload-too-large"}),
        (503, {"Retry-After": "1"}, OVERLOADED),
        (200, {}, {"results": [SEVEN]}),
        (200, {}, {"results": [SEVEN, {"error": "busy"}]}),
        (200, {}, b"<html>"),
    ],
    ids=["no batches", "too large", "busy", "too few", "an error without a detail", "a page"],
)
def test_if_a_batch_fails_each_picture_is_sent_alone(batch):
    answers, asked = answers_of(batch)
    assert [answer.digit for answer in answers] == [7, 7]
    assert asked == [True, False, False]


def test_a_single_picture_is_not_sent_as_a_batch():
    asked = []
    with asking(lambda headers: asked.append(headers["content-type"]) or (200, {}, SEVEN)) as service:
        assert service.predict_several([b"picture"])[0].digit == 7
        assert service.predict_several([]) == []
    assert asked == ["application/octet-stream"]


def test_requests_in_flight_are_limited():
    together = threading.Barrier(2, timeout=5)
    in_flight, most, lock = 0, 0, threading.Lock()

    def respond(_):
        nonlocal in_flight, most
        with lock:
            in_flight += 1
            most = max(most, in_flight)
        together.wait()
        with lock:
            in_flight -= 1
        return 200, {}, SEVEN

    with asking(respond) as service, ThreadPoolExecutor(8) as pool:
        list(pool.map(service.predict, [b"picture"] * 8))
    assert most == 2


def test_the_key_is_sent():
    keys = []
    with asking(lambda headers: keys.append(headers.get("x-api-key")) or (200, {}, SEVEN), key="secret") as service:
        service.predict(b"picture")
    with asking(lambda headers: keys.append(headers.get("x-api-key")) or (200, {}, SEVEN)) as service:
        service.predict(b"picture")
    assert keys == ["secret", None]


@pytest.mark.parametrize("key", ["ключ", "two\nlines"])
def test_a_key_that_is_invalid_in_a_header_is_refused(key):
    with pytest.raises(NoService, match="The API key has characters that cannot be sent"):
        Service("http://127.0.0.1:9", key, 1)


WRONG = {
    "a page": (200, {"content-type": "text/html"}, b"<html>"),
    "other JSON": (200, {}, ["digit"]),
    "a sentence": (200, {}, "digit, confidence, probabilities, model"),
    "deep JSON": (200, {}, b"[" * 100_000),
    "no such path": (404, {}, b"Not Found"),
    "elsewhere": (308, {"location": "https://elsewhere.invalid"}, b""),
}


@pytest.mark.parametrize("ask", [lambda service: service.predict(b"picture"), Service.about], ids=["predict", "info"])
@pytest.mark.parametrize("name", WRONG)
def test_after_an_answer_from_another_service_no_more_is_sent(name, ask):
    with (
        asking(lambda _: WRONG[name]) as service,
        pytest.raises(NoService, match=r"is not a Digits service: start a service"),
    ):
        ask(service)


WRONG_ANSWERS = [
    {**SEVEN, "digit": [7]},
    {**SEVEN, "digit": 10},
    {**SEVEN, "confidence": None},
    {**SEVEN, "probabilities": "0.9"},
    {**SEVEN, "probabilities": []},
    {**SEVEN, "probabilities": [float("nan")] * 10},
    {name: value for name, value in SEVEN.items() if name != "legibility"},
]
WRONG_TEXTS = [
    {**NUMBER, "lines": {}},
    {**NUMBER, "lines": [{"text": "7"}]},
    {**NUMBER, "lines": [{**NUMBER["lines"][0], "digits": [7]}]},
    {**NUMBER, "lines": [{**NUMBER["lines"][0], "marks": ["-"]}]},
]
WRONG_HEALTH = [
    {},
    {"models": {}},
    {"status": "ok", "version": "1.0.0", "corrections": False, "models": "digits"},
    {"status": "ok", "version": "1.0.0", "corrections": False, "models": {"digits": {}}},
]


@pytest.mark.parametrize(
    ("ask", "content"),
    [
        *((lambda service: service.predict_several([b"picture"]), content) for content in WRONG_ANSWERS),
        *((lambda service: service.read(b"picture"), content) for content in WRONG_TEXTS),
        *((Service.about, content) for content in WRONG_HEALTH),
    ],
)
def test_wrong_types_in_an_answer_are_reported_as_another_service(ask, content):
    with (
        asking(lambda _: (200, {}, content)) as service,
        pytest.raises(NoService, match=r"answers, but is not a Digits service: start a service"),
    ):
        ask(service)


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_is_too_long_is_not_read_to_its_end(status):
    bomb = gzip.compress(bytes(20 * MAX_BYTES), compresslevel=1)
    tracemalloc.start()
    with (
        asking(lambda _: (status, {"content-encoding": "gzip"}, bomb)) as service,
        pytest.raises(NoService, match=r"sends more than 2,000,000 bytes and is not a Digits service"),
    ):
        service.about()
    assert tracemalloc.get_traced_memory()[1] < 5 * MAX_BYTES
    tracemalloc.stop()


def test_the_longest_text_is_accepted():
    line = {**NUMBER["lines"][0], "digits": NUMBER["lines"][0]["digits"] * MAX_DIGITS}
    with asking(lambda _: (200, {}, {**NUMBER, "lines": [line] * MAX_LINES})) as service:
        assert len(service.read(b"picture").lines) == MAX_LINES


def test_a_missing_key_is_reported_once_with_how_to_pass_it():
    with (
        asking(lambda _: (401, {}, {"detail": "This service needs an API key."})) as service,
        pytest.raises(NoService, match=r"needs an API key\. Set it with --api-key"),
    ):
        service.predict(b"picture")


def test_a_gateway_error_affects_only_its_picture():
    with (
        asking(lambda _: (502, {}, b"<html>")) as service,
        pytest.raises(Unanswered, match=r"^The service answered 502 Bad Gateway\.$"),
    ):
        service.predict(b"picture")


def test_a_broken_connection_affects_only_its_picture():
    def respond(_):
        raise ConnectionAbortedError

    with asking(respond) as service, pytest.raises(Unanswered, match="The connection failed: "):
        service.predict(b"picture")


def test_a_stopping_service_is_reported():
    with (
        asking(lambda _: (503, {}, {"detail": "The service is shutting down."})) as service,
        pytest.raises(Unanswered, match="is shutting down"),
    ):
        service.about()
