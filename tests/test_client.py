"""The client, against small services that answer well, are busy or misbehave."""

import gzip
import re
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import product

import pytest

from app.cli.answers import NoService, Unanswered
from app.cli.client import MAX_BYTES, Service
from app.picture.errors import MAX_DIGITS
from support import HEALTH, LINE, NUMBER, SEVEN, Respond, answering, busy


@contextmanager
def asking(respond: Respond) -> Iterator[Service]:
    with answering(respond) as url:
        service = Service(url, None, at_once=2)
        with service:
            yield service


def predict(service: Service):
    return only(service.predict([b"picture"]))


def read(service: Service):
    return only(service.read([b"picture"]))


def only(answers: list):
    """Return the only answer, or raise why there is none."""
    (answer,) = answers
    if isinstance(answer, Exception):
        raise answer
    return answer


LONGEST = {**NUMBER, "lines": [{**LINE, "digits": LINE["digits"] * MAX_DIGITS}] * 45}


@pytest.mark.parametrize(
    ("ask", "content"), [(predict, SEVEN), (read, NUMBER), (read, LONGEST)]
)
def test_an_answer_is_parsed(ask, content):
    with asking(lambda _: (200, {}, content)) as service:
        parsed = ask(service).model_dump(exclude_unset=True)
    assert {**parsed, **content} == parsed


@contextmanager
def asking_without_waiting(respond: Respond) -> Iterator[tuple[Service, list[float]]]:
    """Yield a client that does not wait, and the seconds that it would have waited."""
    pauses: list[float] = []
    with answering(respond) as url:
        service = Service(url, None, at_once=2, sleep=pauses.append)
        with service:
            yield service, pauses


@pytest.mark.parametrize(
    ("status", "is_date"), [(429, False), (503, False), (503, True)]
)
def test_a_picture_is_retried_after_retry_after(status, is_date):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    refusals = busy(2, {"Retry-After": date if is_date else "30"}, status)
    with asking_without_waiting(refusals) as (service, pauses):
        assert predict(service).digit == 7
    assert len(pauses) == 2
    assert all((20 if is_date else 30) <= pause <= 30 * 1.25 for pause in pauses)


@pytest.mark.parametrize(
    "after",
    [
        None,
        "0",
        "soon",
        "é",
        "Fri, 27 Nov 2026 12:00:00",
        "Fri, 27 Nov 2026 12:00:00 +99999999999",
        "3600",
    ],
)
def test_the_pauses_grow_and_are_limited(after):
    headers = {"Retry-After": after} if after else {}
    with (
        asking_without_waiting(busy(100, headers)) as (service, pauses),
        pytest.raises(Unanswered, match="try again in a second"),
    ):
        predict(service)
    least = () if after == "3600" else PAUSES  # an hour is not waited for
    assert all(pause >= wanted for pause, wanted in zip(pauses, least, strict=True))


def test_requests_in_flight_are_limited():
    places = threading.Semaphore(2)
    together = threading.Barrier(2, timeout=5)
    found_a_place = []

    def respond(_):
        found_a_place.append(places.acquire(blocking=False))
        together.wait()
        places.release()
        return 200, {}, SEVEN

    with asking(respond) as service, ThreadPoolExecutor(8) as pool:
        list(pool.map(service.predict, [[b"picture"]] * 8))
    assert found_a_place == [True] * 8


def pictures_in(request) -> list[bytes]:
    """Return the pictures in a request, of which each is one letter."""
    if request.path == "/predict":
        return [request.body]
    assert request.path == "/predict/batch"
    return re.findall(rb"\r\n\r\n(\w)\r\n", request.body)


def test_several_pictures_are_asked_about_together_and_the_busy_ones_again():
    asked = []
    outcomes = {
        b"x": failure_of(422, "There is no ink."),
        b"3": failure_of(503, "Too many pictures are being sent at once."),
    }

    def respond(request):
        pictures = pictures_in(request)
        asked.append(b"".join(pictures))
        if pictures == [b"3"]:
            return 200, {}, {**SEVEN, "digit": 3}
        results = [outcomes.get(each, SEVEN) for each in pictures]
        return 200, {}, {"results": results}

    with asking(respond) as service:
        first, blank, retried = service.predict([b"7", b"x", b"3"])
    assert (first.digit, str(blank), retried.digit) == (7, "There is no ink.", 3)
    assert asked == [b"7x3", b"3"]


def failure_of(status: int, detail: str) -> dict:
    """Return the result of a picture that could not be read."""
    problem = {
        "type": "/problems/corrupt-image",
        "title": "The picture is damaged",
        "status": status,
        "detail": detail,
        "instance": "/predict/batch",
        "request_id": "7",
    }
    return {"error": problem}


@pytest.mark.parametrize("status", [413, 500])
def test_pictures_that_are_refused_together_are_asked_about_alone(status):
    def respond(request):
        pictures = pictures_in(request)
        if len(pictures) > 1:
            return status, {}, {"detail": "The request is too large."}
        return 200, {}, {**SEVEN, "digit": int(pictures[0])}

    with asking(respond) as service:
        assert [each.digit for each in service.predict([b"7", b"3"])] == [7, 3]


ELSEWHERE = [
    (200, {"content-type": "text/html"}, b"<html>"),
    (200, {}, ["digit"]),
    (200, {}, b"[" * 100_000),
    (404, {}, b"Not Found"),
    (308, {"location": "https://elsewhere.invalid"}, b""),
]
WRONG = [
    (predict, {**SEVEN, "digit": None}),
    (predict, {**SEVEN, "digit": 10}),
    (predict, {**SEVEN, "confidence": None}),
    (predict, {**SEVEN, "legibility": None}),
    (predict, {**SEVEN, "probabilities": None}),
    (predict, {**SEVEN, "probabilities": []}),
    (predict, {**SEVEN, "probabilities": [float("nan")] * 10}),
    (read, {**NUMBER, "lines": {}}),
    (read, {**NUMBER, "lines": [{"text": "7"}]}),
    (read, {**NUMBER, "lines": [{**LINE, "digits": [7]}]}),
    (Service.about, {}),
    (Service.about, {"models": {}}),
    (Service.about, {**HEALTH, "models": {"digits": {}}}),
]


@pytest.mark.parametrize(
    ("ask", "response"),
    [
        *product([predict, Service.about], ELSEWHERE),
        *((ask, (200, {}, content)) for ask, content in WRONG),
    ],
)
def test_after_an_answer_from_another_service_no_more_is_sent(ask, response):
    with (
        asking(lambda _: response) as service,
        pytest.raises(NoService, match="is not a Digits service: start a serv"),
    ):
        ask(service)


def test_fewer_results_than_pictures_are_from_another_service():
    with (
        asking(lambda _: (200, {}, {"results": [SEVEN]})) as service,
        pytest.raises(NoService, match="is not a Digits service: start a serv"),
    ):
        service.predict([b"7", b"3"])


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_is_too_long_is_not_read_to_its_end(status):
    bomb = gzip.compress(bytes(20 * MAX_BYTES), compresslevel=1)
    tracemalloc.start()
    with (
        asking(lambda _: (status, {"content-encoding": "gzip"}, bomb)) as service,
        pytest.raises(
            NoService,
            match=r"sends more than 2,000,000 bytes and is not a Digits service",
        ),
    ):
        service.about()
    assert tracemalloc.get_traced_memory()[1] < 5 * MAX_BYTES
    tracemalloc.stop()


def breaks_off(_):
    raise ConnectionAbortedError


@pytest.mark.parametrize(
    ("respond", "message"),
    [
        (lambda _: (502, {}, b"<html>"), r"^The service answered 502 Bad Gateway\.$"),
        (lambda _: (500, {}, {"detail": "It failed."}), r"^It failed\.$"),
        (breaks_off, r"^The connection failed: .*[^.]\.$"),
    ],
)
@pytest.mark.parametrize("ask", [predict, Service.about])
def test_an_error_affects_only_its_picture(ask, respond, message):
    with asking(respond) as service, pytest.raises(Unanswered, match=message):
        ask(service)
