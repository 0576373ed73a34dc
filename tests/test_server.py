"""The running service, as good and bad clients meet it: processes, signals, raw sockets."""

import json
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import numpy as np
import pytest

from app.server.protocol import MAX_HEADER_BYTES, MAX_PIPELINED
from conftest import encode
from test_bombs import peak_memory
from test_cli import serving
from test_preprocess import drawing

IMPATIENT = {"DIGITS_HEADER_TIMEOUT_SECONDS": "0.5", "DIGITS_BODY_TIMEOUT_SECONDS": "0.5"}


@pytest.fixture(scope="module")
def picture(seven) -> bytes:
    return encode(drawing(seven))


@pytest.fixture(scope="module")
def small(seven) -> bytes:
    return encode(seven)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with serving(**IMPATIENT) as (_, url):
        yield url


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


@contextmanager
def connection(url: str) -> Iterator[socket.socket]:
    with connect(url) as client:
        yield client


def post(body: bytes, length: int | None = None) -> bytes:
    """A request for /predict, which says it is so long."""
    return (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (len(body) if length is None else length)
        + body
    )


def received(client: socket.socket) -> bytes:
    """All that comes until the service closes."""
    answer = b""
    try:
        while data := client.recv(65536):
            answer += data
    except ConnectionResetError:
        pass
    return answer


def is_well(url: str, small: bytes) -> bool:
    """Whether the service answers as it should, within a second."""
    try:
        answer = httpx2.post(f"{url}/predict", content=small, timeout=1)
    except httpx2.TimeoutException:
        return False
    return answer.status_code == 200 and answer.json()["digit"] == 7


SLOW_OR_WRONG = {
    "no byte": (b"", b""),
    "headers that do not end": (b"POST /predict HTTP/1.1\r\nHost: x\r\nX-A: ", b"HTTP/1.1 408 "),
    "a body that does not come": (post(b"", length=1000), b"HTTP/1.1 408 "),
    "a body that stops": (post(b"\x89PNG", length=1000), b"HTTP/1.1 408 "),
    "chunks that do not end": (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n\x89PNG\r\n",
        b"HTTP/1.1 408 ",
    ),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"HTTP/1.1 400 "),
    "a negative length": (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 400 "),
    "two lengths": (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 400 ",
    ),
    "a length and chunks": (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
    "a chunk of no size": (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 400 ",
    ),
    "endless headers": (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 10 * MAX_HEADER_BYTES, b"HTTP/1.1 431 "),
}


@pytest.mark.parametrize("name", SLOW_OR_WRONG)
def test_a_slow_or_wrong_request_is_answered_in_a_word_and_closed(name, service, small):
    sent, expected = SLOW_OR_WRONG[name]
    with connect(service) as client:
        started = time.perf_counter()
        client.sendall(sent)
        answer = received(client)
        assert time.perf_counter() - started < 2
    assert answer.startswith(expected)
    if expected:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"application/problem+json" in head
        assert json.loads(body)["status"] == int(expected.split()[1])
    assert is_well(service, small)


def test_headers_that_come_drop_by_drop_are_not_waited_for(service, small):
    with connect(service) as client:
        started = time.perf_counter()
        try:
            for byte in b"GET /health HTTP/1.1\r\nHost: " + b"x" * 100:
                client.sendall(bytes([byte]))
                time.sleep(0.05)
        except OSError:
            pass
        assert received(client).startswith((b"HTTP/1.1 408 ", b""))
        assert time.perf_counter() - started < 2
    assert is_well(service, small)


def test_a_body_that_comes_in_pieces_is_read(service, picture):
    with connect(service) as client:
        request = post(picture).replace(b"Host", b"Connection: close\r\nHost", 1)
        for start in range(0, len(request), 400):
            client.sendall(request[start : start + 400])
        assert b'"digit":7' in received(client)


def test_a_client_that_leaves_early_harms_nobody(service, small, picture):
    for cut in (1, 40, 80, len(picture)):
        for _ in range(20):
            with connect(service) as client:
                client.sendall(post(picture)[:cut])
    assert is_well(service, small)


def test_requests_sent_ahead_are_answered_in_turn(service, small):
    with connect(service) as client:
        client.sendall(post(small) * 5 + b"GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = received(client)
    assert answer.count(b'"digit":7') == 5
    assert answer.index(b" 404 Not Found") > answer.rindex(b'"digit":7')


def test_too_many_requests_sent_ahead_end_the_connection(service, small):
    with connect(service) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 100 * MAX_PIPELINED)
        assert received(client).count(b"200 OK") <= MAX_PIPELINED
    assert is_well(service, small)


@pytest.fixture
def sockets() -> Iterator[int]:
    """How many connections a test may open: 10,000, or what the machine allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield min(10_000, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_many_connections_that_say_nothing_keep_nobody_out(small, sockets):
    with serving(DIGITS_HEADER_TIMEOUT_SECONDS="5") as (process, url), ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in range(sockets)]
        assert is_well(url, small)
        if Path(f"/proc/{process.pid}/status").exists():
            assert peak_memory(process.pid) < 512e6
        for client in clients:
            assert client.recv(1) == b""  # all are closed in the end
        assert is_well(url, small)


def test_a_client_that_hangs_up_frees_its_place(seven, small):
    photo = encode(drawing(seven, scale=60), "JPEG", quality=95)  # takes some 30 ms
    with serving(DIGITS_THREADS="1", DIGITS_LARGE_QUEUE="20") as (_, url):
        clients = [connect(url) for _ in range(20)]
        for client in clients:
            client.sendall(post(photo))
        time.sleep(0.1)
        for client in clients:
            client.close()
        started = time.perf_counter()
        assert httpx2.post(f"{url}/predict", content=photo).json()["digit"] == 7
        assert time.perf_counter() - started < 0.4
        text = httpx2.get(f"{url}/metrics").text
        assert 'digits_queue_depth{queue="large"} 0.0' in text


def flood(url: str, content: bytes, seconds: float, clients: int) -> list[tuple[int, float]]:
    """Ask from so many threads, one request after another; each answer's status, and how long it took."""
    answers = []

    def ask(_: int) -> None:
        with httpx2.Client() as client:
            end = time.perf_counter() + seconds
            while (started := time.perf_counter()) < end:
                status = client.post(f"{url}/predict", content=content, timeout=20).status_code
                answers.append((status, time.perf_counter() - started))

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask, range(clients)))
    return answers


def test_what_is_too_much_is_refused_at_once(seven, small):
    photo = encode(drawing(seven, scale=60), "JPEG", quality=95)
    with serving(DIGITS_THREADS="1", DIGITS_LARGE_QUEUE="1") as (_, url):
        answers = flood(url, photo, seconds=1.5, clients=12)
        assert {status for status, _ in answers} == {200, 503}
        refused = httpx2.post(f"{url}/predict", content=b"", timeout=1)
        assert refused.status_code == 422
        assert is_well(url, small)
        assert max(seconds for status, seconds in answers if status == 503) < 1


def test_a_refused_request_is_passed_over_and_the_next_one_on_its_connection_answered(seven, small):
    huge = encode(np.pad(seven.repeat(100, 0).repeat(100, 1), 1000))  # takes a good while
    with serving(DIGITS_THREADS="1", DIGITS_LARGE_QUEUE="0") as (_, url), connect(url) as busy, connect(url) as client:
        busy.sendall(post(huge))
        time.sleep(0.1)
        client.sendall(post(bytes(5000)) + post(small))
        answer = b""
        while not answer.endswith(b'"}') or b"200 OK" not in answer:
            answer += client.recv(65536)
        refused, _, answered = answer.partition(b"HTTP/1.1 200 OK")
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in refused
        problem = json.loads(refused.split(b"\r\n\r\n")[1])
        assert problem["type"] == "/problems/overloaded"
        assert problem["request_id"].encode() in refused.split(b"\r\n\r\n")[0]
        assert b'"digit":7' in answered
        assert b"200 OK" in busy.recv(65536)
        assert 'digits_rejected_total{reason="overloaded"} 1.0' in httpx2.get(f"{url}/metrics").text


def test_sigterm_is_answered_with_503_and_all_that_is_running_ends(picture):
    with serving() as (process, url), connect(url) as client, connect(url) as other:
        client.sendall(post(picture)[:100])
        other.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in other.recv(65536)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        health = httpx2.get(f"{url}/health")
        assert health.status_code == 503
        assert health.json()["type"] == "/problems/shutting-down"
        client.sendall(post(picture)[100:])
        assert b'"digit":7' in client.makefile("rb").read()
        assert process.wait(timeout=10) == 0


def test_sigterm_under_load_loses_no_request(small):
    with serving() as (process, url):
        failed, answered = [], []

        def ask() -> None:
            with connect(url) as client:
                while True:
                    answer = b""
                    try:
                        client.sendall(post(small))
                        while not answer.endswith(b"}") and (data := client.recv(65536)):
                            answer += data
                    except OSError:
                        pass
                    if not answer:
                        return  # closed between two requests, as HTTP allows
                    (answered if b'"digit":7' in answer else failed).append(answer)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert process.wait(timeout=10) == 0
    assert not failed
    assert len(answered) > 100


def test_a_request_that_takes_too_long_does_not_keep_the_service_from_stopping(picture):
    with serving(DIGITS_SHUTDOWN_TIMEOUT_SECONDS="2") as (process, url), connect(url) as client:
        client.sendall(post(picture)[:100])
        time.sleep(0.2)
        started = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
        assert time.perf_counter() - started < 3


def children(pid: int) -> list[int]:
    """The process's children that serve."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the workers")


def until(condition, seconds: float = 10) -> bool:
    """Whether a condition comes true in time."""
    end = time.perf_counter() + seconds
    while not (true := condition()) and time.perf_counter() < end:
        time.sleep(0.05)
    return bool(true)


def counted(url: str) -> float:
    """How many predictions the metrics know of."""
    lines = httpx2.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("digits_predictions_total{"))


@needs_proc
def test_workers_answer_together_are_counted_together_and_replaced(small):
    with serving("--workers", "2") as (process, url):
        assert until(lambda: len(children(process.pid)) == 2)
        assert until(lambda: is_well(url, small))
        before = counted(url)
        assert all(httpx2.post(f"{url}/predict", content=small).status_code == 200 for _ in range(40))
        assert counted(url) - before == 40

        killed, survivor = children(process.pid)
        os.kill(killed, signal.SIGKILL)
        time.sleep(0.05)
        assert is_well(url, small)
        assert until(lambda: len(children(process.pid)) == 2 and killed not in children(process.pid))
        assert survivor in children(process.pid)
        assert until(lambda: counted(url) - before == 41)

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_the_environment_names_the_workers_too():
    with serving(WEB_CONCURRENCY="2") as (process, url):
        assert until(lambda: len(children(process.pid)) == 2)
        assert httpx2.get(f"{url}/health").status_code == 200
