"""The running service: processes, signals, raw sockets, hostile clients."""

import asyncio
import json
import os
import re
import resource
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import httpx2
import numpy as np
import pytest

from answers import assert_problem, samples
from pictures import document, drawing, encode
from processes import family
from services import PICTURE, SEVEN, SMALL, connect, is_well, received, serving, until


def peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


async def load(
    url: str, picture: bytes, clients: int, rate: float, seconds: float
) -> set[int]:
    """Send a picture from several clients, at most at a total rate.

    Returns the statuses of the answers.
    """
    answers = set[int]()
    address = httpx2.URL(url)
    end = time.perf_counter() + seconds
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(picture)}"
    request = f"{head}\r\n\r\n".encode() + picture

    async def ask(start: float) -> None:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        await asyncio.sleep(start)
        while (began := time.perf_counter()) < end:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].split()[0])
            await reader.readexactly(length)
            answers.add(int(head[9:12]))
            await asyncio.sleep(max(0, began + clients / rate - time.perf_counter()))
        writer.close()

    await asyncio.gather(*(ask(client / rate) for client in range(clients)))
    return answers


pytestmark = [pytest.mark.slow, pytest.mark.alone]
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="needs /proc to find processes"
)
CLIENT_SECONDS = 0.5


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """The address of a service that is impatient with its clients."""
    settings = {
        "DIGITS_CLIENT_TIMEOUT_SECONDS": str(CLIENT_SECONDS),
        "DIGITS_BODY_TIMEOUT_SECONDS": "0.5",
    }
    with serving(**settings) as (process, url):
        yield url
    assert "Traceback" not in process.log


def post(body: bytes, length: int | None = None, headers: bytes = b"") -> bytes:
    """Build a request for /predict with a declared length."""
    declared = len(body) if length is None else length
    return (
        b"POST /predict HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n"
        % (headers, declared)
        + body
    )


def get(path: bytes, headers: bytes = b"") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (path, headers)


def statuses(answers: bytes) -> list[int]:
    """List the statuses of several answers; each 200 is that to a 7."""
    found = list(map(int, re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)))
    assert answers.count(b'"digit":7') == found.count(200)
    return found


def are_empty_queues(url: str, headers: dict[str, str] | None = None) -> bool:
    """Return whether no picture waits, or is being read."""
    text = httpx2.get(f"{url}/metrics", headers=headers).text
    small = 'digits_queue_depth{queue="small"} 0.0'
    large = 'digits_queue_depth{queue="large"} 0.0'
    return small in text and large in text


CLOSE = b"Connection: close\r\n"
CHUNKED = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSED = b""  # closed without an answer
SLOW_OR_WRONG = {
    "no byte": (b"", CLOSED),
    "headers that do not end": (b"POST /predict HTTP/1.1\r\nHost: x\r\nX-A: ", CLOSED),
    "a body that does not come": (post(b"", length=1000), b"HTTP/1.1 408 "),
    "a body that stops": (post(b"\x89PNG", length=1000), b"HTTP/1.1 408 "),
    "chunks that do not end": (CHUNKED + b"4\r\n\x89PNG\r\n", b"HTTP/1.1 408 "),
    "trailers that do not end": (
        CHUNKED + b"4\r\n\x89PNG\r\n0\r\nX-A: b\r\n",
        b"HTTP/1.1 408 ",
    ),
    "endless trailers": (
        CHUNKED + b"4\r\n\x89PNG\r\n0\r\n" + b"X-A: b\r\n" * 100_000,
        b"HTTP/1.1 400 ",
    ),
    "no HTTP": (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
    "a negative length": (post(b"", length=-1), b"HTTP/1.1 400 "),
    "a length of 20 digits": (post(b"", length=10**19), b"HTTP/1.1 413 "),
    "a length of 4,001 digits": (post(b"", length=10**4000), b"HTTP/1.1 400 "),
    "a length and chunks": (
        CHUNKED[:-2] + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + post(b""),
        b"HTTP/1.1 400 ",
    ),
    "two lengths": (post(b"xx", headers=b"Content-Length: 1\r\n"), b"HTTP/1.1 400 "),
    "a chunk of no size": (CHUNKED + b"zz\r\n", b"HTTP/1.1 400 "),
    "a large body, on a connection that closes after it": (
        post(bytes(25_000_000), headers=CLOSE),
        b"HTTP/1.1 413 ",
    ),
    "endless headers": (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 300_000, b"HTTP/1.1 400 "),
}


def test_slow_and_malformed_requests_get_a_short_answer_and_a_close(service):
    with ExitStack() as stack:
        started = time.perf_counter()
        clients = {}
        for name, (sent, _) in SLOW_OR_WRONG.items():
            clients[name] = stack.enter_context(connect(service))
            clients[name].sendall(sent)
        for name, client in clients.items():
            answer = received(client)[: len("HTTP/1.1 400 ")]
            assert answer == SLOW_OR_WRONG[name][1], name
        assert time.perf_counter() - started < 5
    assert is_well(service)


@pytest.mark.parametrize(
    ("start", "piece"),
    [(b"GET /health HTTP/1.1\r\nHost: ", b"x"), (post(b"", length=10**9), bytes(1000))],
    ids=["headers", "the rest of a refused body"],
)
def test_what_is_sent_slowly_times_out(start, piece, service):
    with connect(service) as client:
        started = time.perf_counter()
        client.sendall(start)
        with suppress(OSError):
            while time.perf_counter() - started < 10:
                client.sendall(piece)
                time.sleep(0.05)
        assert CLIENT_SECONDS / 2 < time.perf_counter() - started < 5
    assert is_well(service)


def test_before_it_closes_a_connection_the_service_waits_once_for_the_rest_of_a_body():
    versions = ("1.1\r\nConnection: close", "1.1\r\nConnection: Upgrade, Close", "1.0")
    with serving(DIGITS_CLIENT_TIMEOUT_SECONDS="3") as (_, url), ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in versions]
        started = time.perf_counter()
        for client, version in zip(clients, versions, strict=True):
            client.sendall(
                f"POST /predict HTTP/{version}\r\nHost: x\r\nContent-Length: "
                "1000000000\r\n\r\n".encode()
            )
        for client in clients:
            assert received(client).startswith(b"HTTP/1.1 413 ")
            assert 3 <= time.perf_counter() - started < 6


LAST = post(SMALL, headers=CLOSE)
UPGRADE = (
    b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: "
    b"AAEAAEAAAAIAAAAB\r\n"
)
CHUNKED_TO_NONE = CHUNKED.replace(b"/predict", b"/none") + b"4\r\nabcd\r\n"
WITH_BLANKS = CHUNKED.replace(
    b"Host: x", b"Host: \t x \t\r\nEmpty: \t\r\nConnection: close"
)
CONVERSATIONS = {
    "requests that do not wait for answers": (
        [post(SMALL) * 5 + get(b"/none", CLOSE)],
        [200] * 5 + [404],
    ),
    "requests over more than the time that a client has": (
        [post(SMALL)] * 7 + [LAST],
        [200] * 8,
    ),
    "a refused body, and the next request": (
        [post(bytes(20_000_001)) + LAST],
        [413, 200],
    ),
    "a body in pieces": ([LAST[:40], LAST[40:-50], LAST[-50:]], [200]),
    "a body, and headers in pieces": (
        [post(bytes(75_000)) + LAST[:30], LAST[30:]],
        [415, 200],
    ),
    "a broken rest after the answer": ([CHUNKED_TO_NONE, b"zz\r\nzz\r\n"], [404]),
    "a broken rest before the answer": ([CHUNKED_TO_NONE + b"zz\r\nzz\r\n"], [400]),
    "blanks in headers and chunks": (
        [WITH_BLANKS + b"%x; a=b \r\n%b\r\n0\r\n\r\n" % (len(SMALL), SMALL)],
        [200],
    ),
    "a request for HTTP/2": ([post(SMALL, headers=UPGRADE)], [200]),
    "nothing after an answer": ([post(SMALL)], [200]),
    "an empty line after an answer": ([post(SMALL), b"\r\n"], [200, 400]),
    "a begun request after an answer": ([post(SMALL), b"POST /pre"], [200]),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_requests_on_a_connection_are_answered_in_order_before_it_is_closed(
    name, service
):
    pieces, expected = CONVERSATIONS[name]
    with connect(service) as client:
        for piece in pieces:
            client.sendall(piece)
            time.sleep(CLIENT_SECONDS / 5)
        assert statuses(received(client)) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (post(PICTURE), [200]),
        (post(SMALL) * 2 + post(SMALL)[:80], [200, 200]),
        (post(PICTURE)[:-1], []),
        (b"", []),
    ],
)
def test_a_client_that_closes_its_side_gets_all_answers_at_once(sent, expected, url):
    with connect(url) as client:
        started = time.perf_counter()
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert statuses(received(client)) == expected
        # Half of the time that a client has.
        assert time.perf_counter() - started < 5


@pytest.mark.parametrize("ending", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_of_clients_that_closed_their_side_no_document_and_no_waiting_page_is_read(
    ending,
):
    """What closes a connection at once looks like what closes its side."""
    page = drawing(SEVEN)
    bodies = {"document": document([page] * 20, "TIFF"), "page": encode(page)}
    with serving(DIGITS_DECODERS="1") as (_, url), ExitStack() as stack:
        assert httpx2.get(f"{url}/health").is_success  # it has started
        for body in [*bodies.values()] * 15:
            client = stack.enter_context(connect(url))
            client.sendall(post(body).replace(b"/predict", b"/read"))
            client.shutdown(ending)
        answer = httpx2.post(f"{url}/read", content=bodies["document"], timeout=60)
        assert answer.json()["text"] == "\f".join("7" * 20)
        assert until(lambda: are_empty_queues(url))
        with httpx2.Client(base_url=url) as client:
            texts = samples(client)["digits_text_length_count",]
        assert 20 <= texts < 40  # of 335


def test_a_head_request_is_answered_without_a_body(service):
    with connect(service) as client:
        for path in (b"/", b"/health", b"/predict"):
            client.sendall(get(path).replace(b"GET", b"HEAD"))
        client.sendall(get(b"/none", CLOSE).replace(b"GET", b"HEAD"))
        *heads, rest = received(client).split(b"\r\n\r\n")
    assert [int(head[9:12]) for head in heads] == [200, 200, 405, 404]
    assert rest == b""


def test_answers_are_not_delayed_by_nagles_algorithm(service):
    with httpx2.Client() as client:
        latencies = []
        for _ in range(50):
            started = time.perf_counter()
            client.post(f"{service}/predict", content=SMALL)
            latencies.append(time.perf_counter() - started)
    # The first acknowledgements on a connection are not delayed.
    assert min(latencies[20:]) < 0.04


@pytest.fixture
def many_files() -> Iterator[int]:
    """Raise the limit on open files, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


BLANKS = b" " * 15_000  # with the patterns of h11, each of these would take 0.6 s
BACKTRACKING = [
    b"GET / HTTP/1.1\r\nHost: x\r\na:" + BLANKS + b"\0\r\n\r\n",
    CHUNKED + b"0\r\na:" + BLANKS + b"\0\r\n\r\n",
    CHUNKED + b"1;" + BLANKS + b"\n\r\n",
]


SENDING_FAR_AHEAD = [get(b"/health") * 8000] * 2
NEVER_READING = [get(b"/swagger/swagger-ui-bundle.js") * 20] * 300
TINY_CHUNKS = [CHUNKED + b"1\r\nx\r\n" * 40_000] * 4


@pytest.mark.parametrize(
    ("crowd", "seconds", "most_bytes"),
    [
        ([b""] * 10_000, 5, 512e6),
        ([get(b"/") * 10] * 300, 2, 256e6),
        (SENDING_FAR_AHEAD + NEVER_READING + TINY_CHUNKS + BACKTRACKING * 20, 2, 256e6),
    ],
    ids=["silent", "pipelining", "greedy"],
)
def test_a_crowd_of_clients_takes_little_memory_blocks_nobody_and_is_disconnected(
    crowd, seconds, most_bytes, many_files
):
    with (
        serving(DIGITS_CLIENT_TIMEOUT_SECONDS=str(seconds)) as (process, url),
        ExitStack() as stack,
    ):
        assert httpx2.get(f"{url}/health").is_success  # it has started
        for sent in crowd[: many_files - 200]:
            client = stack.enter_context(connect(url))
            client.settimeout(0.05)
            with suppress(OSError):
                client.sendall(sent)
        # Measured for the greedy on a busy machine: 1.4 s; 40 with h11's patterns.
        assert until(lambda: is_well(url))
        if (files := Path(f"/proc/{process.pid}/fd")).exists():
            assert peak_memory(process.pid) < most_bytes
            assert until(lambda: len(list(files.iterdir())) < 100, seconds=30)
        assert is_well(url)


def processor_seconds(pids: list[int]) -> float:
    """Return the CPU time that processes have taken so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def is_idle(pid: int) -> bool:
    """Return whether a process and its descendants take no CPU time."""
    pids = family(pid)
    before = processor_seconds(pids)
    time.sleep(0.5)
    return processor_seconds(pids) - before < 0.05


@needs_proc
@pytest.mark.parametrize("workers", [1, 2])
def test_without_free_file_descriptors_the_service_waits_quietly_and_recovers(workers):
    with serving("--workers", str(workers)) as (process, url):
        assert until(lambda: is_well(url) and is_idle(process.pid), seconds=30)
        pids = family(process.pid)
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, 64))
        before = processor_seconds(pids)
        started = time.perf_counter()
        with ExitStack() as stack:
            for _ in range(64 * workers):
                stack.enter_context(connect(url))
            time.sleep(3)
            assert processor_seconds(pids) - before < 0.5
        assert until(lambda: is_well(url))
        seconds = time.perf_counter() - started
    assert 0 < process.log.count("raise the limit on open files") < seconds
    assert "Traceback" not in process.log


def test_under_overload_pictures_are_answered_or_refused(seven):
    """How long accepted ones wait is tested in test_admission.py, without a clock."""
    picture = encode(drawing(seven).convert("RGB").resize((640, 480)), "JPEG")
    with serving(DIGITS_QUEUE_SECONDS="0.2") as (process, url):
        for pid in family(process.pid):
            os.sched_setaffinity(pid, {min(os.sched_getaffinity(0))})
        # So that it knows the cost.
        asyncio.run(load(url, picture, clients=4, rate=4000, seconds=1))
        # Fast machines read 600.
        answers = asyncio.run(load(url, picture, clients=400, rate=1500, seconds=3))
        assert is_well(url)
    assert answers == {200, 503}


@needs_proc
def test_while_decoders_hang_large_pictures_are_refused_and_the_service_can_stop():
    settings = {
        "DIGITS_QUEUE_SECONDS": "0.5",
        "DIGITS_CORS_ORIGINS": "https://ours.example",
        "DIGITS_SHUTDOWN_TIMEOUT_SECONDS": "1",
        "DIGITS_DRAIN_SECONDS": "0",
        # Does not end while the service has the turn.
        "DIGITS_CLIENT_TIMEOUT_SECONDS": "0.3",
    }
    with serving(**settings) as (process, url):
        assert httpx2.get(f"{url}/health").is_success  # the decoders have started
        hanging = family(process.pid)[1:]
        for pid in hanging:
            os.kill(pid, signal.SIGSTOP)
        headers = {"X-Request-ID": "order-66", "Origin": "https://ours.example"}
        refused = httpx2.post(f"{url}/predict", content=PICTURE, headers=headers)
        assert_problem(refused, 503, "overloaded", "/predict")
        assert refused.elapsed.total_seconds() < 3
        assert refused.headers["x-request-id"] == "order-66"
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["x-content-type-options"] == "nosniff"
        assert refused.headers["access-control-allow-origin"] == headers["Origin"]
        with connect(url) as client:
            client.sendall(post(PICTURE) + LAST)
            assert statuses(received(client)) == [503, 200]
        text = httpx2.get(f"{url}/metrics").text
        assert 'digits_rejected_total{reason="overloaded"} 2.0' in text
        assert 'digits_requests_total{route="/predict",status="503"} 2.0' in text
        started = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        assert time.perf_counter() - started < 8
        for pid in hanging:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in hanging))


def test_slow_senders_and_requests_without_a_key_take_no_place():
    key = {"X-API-Key": "key"}
    with serving(DIGITS_API_KEYS="key") as (_, url), ExitStack() as stack:
        half = b"Host: x\r\nContent-Length: 100000\r\n\r\n" + bytes(50_000)
        for start in (b"GET /predictX", b"POST /predict", b"POST /predictX") * 8:
            client = stack.enter_context(connect(url))
            client.sendall(start + b" HTTP/1.1\r\n" + half)
        for _ in range(20):
            client = stack.enter_context(connect(url))
            client.sendall(post(PICTURE, headers=b"X-API-Key: key\r\n")[:-1])
        answer = httpx2.post(f"{url}/predict", content=PICTURE, headers=key)
        assert answer.json()["digit"] == 7
        assert are_empty_queues(url, key)


def test_clients_that_leave_free_their_places_and_without_overload_none_is_refused():
    photo = encode(drawing(SEVEN, scale=60), "JPEG", quality=95)  # takes about 30 ms
    bmp = encode(np.repeat(SEVEN[..., None], 3, axis=2), "BMP")
    assert len(bmp) > 2048  # so that a decoder process reads it
    with serving(DIGITS_DECODERS="1") as (_, url):
        assert httpx2.get(f"{url}/health").is_success  # it has started
        clients = [connect(url) for _ in range(20)]
        for client in clients:
            client.sendall(post(photo))
        for cut in (1, 40, 80, 5000) * 10:
            with connect(url) as client:
                client.sendall(post(photo)[:cut])
        time.sleep(0.1)
        for client in clients:
            client.close()
        assert is_well(url)
        assert until(lambda: are_empty_queues(url))
        with ThreadPoolExecutor(16) as pool, httpx2.Client(base_url=url) as client:
            post_bmp = partial(client.post, "/predict", content=bmp)
            sent = [pool.submit(post_bmp) for _ in range(200)]
            assert {each.result().status_code for each in sent} == {200}


def test_after_sigterm_running_requests_finish_and_unfinished_ones_get_503_in_time():
    limits = {"DIGITS_SHUTDOWN_TIMEOUT_SECONDS": "1", "DIGITS_DRAIN_SECONDS": "1"}
    with serving(**limits) as (process, url), ExitStack() as stack:
        running, idle, *unfinished = [
            stack.enter_context(connect(url)) for _ in range(4)
        ]
        idle.sendall(get(b"/health"))
        assert b"200 OK" in idle.recv(65536)
        for client in (running, *unfinished):
            client.sendall(post(PICTURE)[:100])
        time.sleep(0.2)
        started = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert_problem(httpx2.get(f"{url}/health"), 503, "shutting-down", "/health")
        assert httpx2.get(f"{url}/health/live").json() == {"status": "ok"}
        running.sendall(post(PICTURE)[100:])
        assert statuses(received(running)) == [200]
        for client in unfinished:
            answer = received(client)
            assert statuses(answer) == [503]
            assert b'"/problems/shutting-down"' in answer
        assert process.wait(timeout=10) == 0
        assert time.perf_counter() - started < 3
    lines = [json.loads(line) for line in process.log.splitlines()]
    found = [line["status"] for line in lines if line.get("path") == "/predict"]
    assert found == [200, 503, 503]
    assert "Traceback" not in process.log
