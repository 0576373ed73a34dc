"""The client, against small services that answer well, are busy or misbehave."""

import gzip
import re
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import product

import httpx2
import pytest

from answers import HEALTH, LINE, NUMBER, SEVEN
from app.many.client import MAX_BYTES, Client
from app.many.engine import in_order
from app.many.errors import NoService, Unanswered
from app.many.patience import Patience
from app.text.limits import MAX_DIGITS
from stand_ins import Clock, Respond, answering


def busy(times: int, headers: dict[str, str], status: int = 503) -> Respond:
    refusal = {"detail": "4 large pictures are waiting already: try again in a second."}
    refusals = iter([(status, headers, refusal)] * times)
    return lambda _: next(refusals, (200, {}, SEVEN))


@contextmanager
def asking(respond: Respond) -> Iterator[Client]:
    with answering(respond) as url:
        service = Client(url, None, at_once=2)
        with service:
            yield service


def predict(service: Client):
    return only(service.predict([b"picture"]))


def read(service: Client):
    return only([service.read(b"picture")])


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
        parsed = ask(service).model_dump()
    assert {**parsed, **content} == parsed


def client_of(url: str, clock: Clock, patience: float = 7200) -> Client:
    """Return a client for which time passes only while it waits."""
    return Client(url, None, 2, Patience(patience, clock), clock.sleep)


@contextmanager
def asking_without_waiting(respond: Respond) -> Iterator[tuple[Client, Clock]]:
    """Yield a client that does not wait, and its clock."""
    clock = Clock()
    with answering(respond) as url, client_of(url, clock) as service:
        yield service, clock


@pytest.mark.parametrize(
    ("status", "is_date"), [(429, False), (503, False), (503, True)]
)
def test_a_picture_is_retried_after_retry_after(status, is_date):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    refusals = busy(2, {"Retry-After": date if is_date else "30"}, status)
    with asking_without_waiting(refusals) as (service, clock):
        assert predict(service).digit == 7
    assert len(clock.pauses) == 2
    least = 20 if is_date else 30
    assert all(least <= pause <= 30 * 1.25 for pause in clock.pauses)


@pytest.mark.parametrize(
    "after",
    [
        None,
        "0",
        "soon",
        "é",
        "Fri, 27 Nov 2026 12:00:00",
        "Fri, 27 Nov 2026 12:00:00 +99999999999",
    ],
)
def test_without_retry_after_the_pauses_grow_for_as_long_as_it_takes(after):
    headers = {"Retry-After": after} if after else {}
    with asking_without_waiting(busy(100, headers)) as (service, clock):
        assert predict(service).digit == 7
    least = [0.5, 1, 2, 4, *[8] * 96]
    for pause, wanted in zip(clock.pauses, least, strict=True):
        assert wanted <= pause <= 1.25 * wanted


@pytest.mark.parametrize("after", ["600", "3600", "999999999999"])
def test_a_service_that_stays_busy_is_given_up_when_patience_ends(after):
    refusals = busy(100_000, {"Retry-After": after})
    said = r"^http://[\d.:]+ answered nothing for 120 minutes\. 4 large pictures are w"
    with asking_without_waiting(refusals) as (service, clock):
        with pytest.raises(NoService, match=said):
            predict(service)
        assert clock() == pytest.approx(7200, abs=1)


def answer_other_pictures(service: Client, clock: Clock) -> None:
    """Let a client that waits to try again ask about another picture."""

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        assert service.predict([b"other"])[0].digit == 7

    service.sleep = sleep


def test_a_picture_that_is_refused_for_hours_is_given_up_alone():
    refusal = 503, {"Retry-After": "60"}, {"detail": "It would wait too long."}

    def respond(request):
        return refusal if request.body == b"picture" else (200, {}, SEVEN)

    with asking_without_waiting(respond) as (service, clock):
        answer_other_pictures(service, clock)
        with pytest.raises(Unanswered, match="It would wait too long") as error:
            predict(service)
        assert error.value.problem == "overloaded"
        assert clock() == pytest.approx(7200, abs=1)


def breaks_off(_):
    raise ConnectionAbortedError


SILENCES = {
    "bad gateway": lambda _: (502, {}, b"<html>"),
    "gateway timeout": lambda _: (504, {}, b"<html>"),
    "broken connection": breaks_off,
}


@pytest.fixture(params=SILENCES)
def silent(request) -> Respond:
    """A service, or a proxy before it, that gives no answer of its own."""
    return SILENCES[request.param]


def test_a_service_that_is_silent_for_a_while_is_tried_again(silent, capsys):
    tries = iter([silent] * 8)

    def recovering(request):
        return next(tries, lambda _: (200, {}, SEVEN))(request)

    with asking_without_waiting(recovering) as (service, clock):
        assert predict(service).digit == 7
    assert len(clock.pauses) == 8
    said = f"{service.url} does not answer: trying again for up to 2 minutes.\n"
    assert capsys.readouterr().err.count(said) == 1


def test_a_service_that_stays_silent_is_given_up_after_two_minutes(silent):
    said = r"^http://[\d.:]+ answered nothing for 2 minutes\. The .*[^.]\.$"
    with asking_without_waiting(silent) as (service, clock):
        with pytest.raises(NoService, match=said):
            predict(service)
        assert clock() == pytest.approx(120, abs=1)


@pytest.mark.parametrize("has_others", [True, False])
def test_a_picture_that_is_never_answered_is_given_up_alone(silent, has_others):
    """Such as one that a proxy in front of the service does not let pass."""

    def respond(request):
        return silent(request) if request.body == b"picture" else (200, {}, CONTENT)

    CONTENT = {**HEALTH, **SEVEN}
    with asking_without_waiting(respond) as (service, clock):
        if has_others:
            answer_other_pictures(service, clock)
        with pytest.raises(Unanswered) as error:
            predict(service)
        assert error.value.problem == "no-answer"
        assert clock() == pytest.approx(120, abs=1)


def test_a_picture_is_tried_again_after_a_timeout():
    is_slow = iter([True])
    answered = threading.Event()

    def respond(_):
        if next(is_slow, False):
            answered.wait(30)
        return 200, {}, SEVEN

    with asking_without_waiting(respond) as (service, clock):
        service.client.timeout = httpx2.Timeout(0.3)
        assert predict(service).digit == 7
        answered.set()
    assert clock.pauses


def test_a_service_that_was_never_there_is_not_tried_again():
    clock = Clock()
    with (
        client_of("http://127.0.0.1:9", clock) as service,
        pytest.raises(NoService, match="does not answer"),
    ):
        predict(service)
    assert clock.pauses == []


def test_a_client_that_is_closed_does_not_go_on_waiting():
    waiting = threading.Event()

    def respond(_):
        waiting.set()
        return 503, {"Retry-After": "3600"}, {"detail": "It is busy."}

    with answering(respond) as url, ThreadPoolExecutor(1) as pool:
        with Client(url, None, at_once=2) as service:
            asked = pool.submit(predict, service)
            assert waiting.wait(30)
        assert isinstance(asked.exception(timeout=30), NoService)


@pytest.mark.parametrize("capacity", [1, 3])
def test_a_slow_service_reads_all_pictures(capacity):
    """It has 16 requests at once in the beginning, and refuses all but one or three."""
    places = threading.Semaphore(capacity)
    statuses = []

    def respond(_):
        if not places.acquire(blocking=False):
            statuses.append(503)
            return 503, {"Retry-After": "1"}, {"detail": "It is busy."}
        time.sleep(0.003)
        statuses.append(200)
        places.release()
        return 200, {}, NUMBER

    clock = Clock()
    with answering(respond) as url:
        service = Client(url, None, 16, Patience(7200, clock), clock.sleep)
        with service:
            asked = in_order(service.read, [b"picture"] * 60, 16)
            answers = [only([answer]) for answer in asked]
    assert [answer.text for answer in answers] == [NUMBER["text"]] * 60
    assert statuses.count(200) == 60


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


@pytest.mark.parametrize(
    ("status", "name"), [(503, "overloaded"), (503, "new"), (500, "internal-error")]
)
def test_several_pictures_are_asked_about_together_and_the_busy_ones_again(
    status, name
):
    asked = []
    outcomes = {
        b"x": failure_of(422, "There is no ink.", "blank-image"),
        b"3": failure_of(status, "It may be read now.", name),
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
    assert blank.problem == "blank-image"
    assert asked == [b"7x3", b"3"]


def failure_of(status: int, detail: str, name: str) -> dict:
    """Return the result of a picture that could not be read."""
    problem = {
        "type": f"/problems/{name}",
        "title": "The picture was not read",
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
    (Client.about, {}),
    (Client.about, {"models": {}}),
    (Client.about, {**HEALTH, "models": {"digits": {}}}),
]


@pytest.mark.parametrize(
    ("ask", "response"),
    [
        *product([predict, Client.about], ELSEWHERE),
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


DAMAGED = {"type": "/problems/corrupt-image", "detail": "It is damaged."}


@pytest.mark.parametrize(
    ("content", "message", "name"),
    [
        (DAMAGED, "It is damaged.", "corrupt-image"),
        ({"type": "about:blank", "detail": "It failed."}, "It failed.", "no-answer"),
        (b"<html>", "The service answered 500 Internal Server Error.", "no-answer"),
    ],
)
def test_an_error_affects_only_its_picture_and_has_a_name(content, message, name):
    with asking_without_waiting(lambda _: (500, {}, content)) as (service, clock):
        error = service.read(b"picture")
    assert (str(error), error.problem) == (message, name)
    assert clock.pauses == []  # it is not tried again


@pytest.mark.parametrize("status", [500, 502, 503])
def test_what_a_service_is_is_asked_once(status):
    with (
        asking(lambda _: (status, {}, {"detail": "It failed."})) as service,
        pytest.raises(Unanswered, match=r"^It failed\.$"),
    ):
        service.about()


def test_a_file_that_has_several_pages_by_now_is_to_be_read_again():
    page = {**{name: NUMBER[name] for name in ("text", "confidence", "lines")}}
    pages = [{"page": number, **page} for number in (1, 2)]
    document = {"pages": pages, "text": "", "confidence": 0.9, "model": "8d41b6e05c72"}
    with (
        asking(lambda _: (200, {}, document)) as service,
        pytest.raises(Unanswered, match="has several pages now") as error,
    ):
        read(service)
    assert error.value.problem == "unreadable-file"
