"""A connection fed with bytes: when it is closed and when it stays open."""

import asyncio
from collections.abc import Iterator
from time import thread_time
from unittest.mock import Mock

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.server import patterns
from app.server.protocol import Protocol

patterns.replace()
SECONDS = 0.2
REQUEST = b"POST /none HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n"
REST = b"0\r\n\r\n"


async def answer_at_once(scope, receive, send):
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def read_and_answer(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await answer_at_once(scope, receive, send)


async def never_answer(scope, receive, send):
    await asyncio.Event().wait()


def fed(app, *chunks: bytes, wait: float = 0) -> Mock:
    """Make a connection on which these bytes have arrived in chunks; return its transport, with the sizes of reads."""

    async def feed() -> Mock:
        config = uvicorn.Config(app, ws="none", log_config=None)
        protocol, transport = Protocol(config, ServerState(), {}, client_timeout_seconds=SECONDS), Mock()
        transport.is_closing.return_value = False
        transport.get_extra_info.return_value = None
        protocol.connection_made(transport)
        transport.sizes = []
        for chunk in chunks:
            transport.sizes += receive(protocol, chunk)
            await asyncio.sleep(0.01)
        await asyncio.sleep(wait)
        transport.ended = transport.close.called or transport.abort.called
        protocol.connection_lost(None)
        return transport

    return asyncio.run(feed())


def receive(protocol: Protocol, data: bytes) -> Iterator[int]:
    """Let a connection read data, as asyncio does; yield the size of each read."""
    while data:
        buffer = protocol.get_buffer(-1)
        count = min(len(buffer), len(data))
        buffer[:count] = data[:count]
        protocol.buffer_updated(count)
        data = data[count:]
        yield count


def written(transport: Mock) -> bytes:
    return b"".join(call.args[0] for call in transport.write.call_args_list)


@pytest.mark.slow
def test_a_connection_with_a_request_in_progress_stays_open():
    assert not fed(never_answer, REQUEST, wait=2 * SECONDS).ended
    assert not fed(never_answer, REQUEST + REST, wait=2 * SECONDS).ended


def test_the_timer_restarts_with_each_answer():
    chunks = [REQUEST + REST] * int(1.5 * SECONDS / 0.01)
    transport = fed(answer_at_once, *chunks)
    assert not transport.ended
    assert written(transport).count(b"HTTP/1.1 404") == len(chunks)


def test_a_broken_rest_of_an_answered_request_gets_no_second_answer():
    transport = fed(answer_at_once, REQUEST, b"zz\r\nzz\r\n")
    assert written(transport).count(b"HTTP/1.1") == 1
    assert transport.ended


def test_an_invalid_body_that_arrives_with_its_headers_is_answered_once(caplog):
    transport = fed(answer_at_once, REQUEST + b"zz\r\nzz\r\n")
    assert written(transport).startswith(b"HTTP/1.1 400 ")
    assert written(transport).count(b"HTTP/1.1") == 1
    assert not [record for record in caplog.records if record.exc_info]


BLANKS = b" " * 15_000
BACKTRACKING = {
    "a header": [b"GET / HTTP/1.1\r\nHost: x\r\na:" + BLANKS + b"\0\r\n\r\n"],
    "a trailer": [REQUEST, b"0\r\na:" + BLANKS + b"\0\r\n\r\n"],
    "the extension of a chunk": [REQUEST, b"1;" + BLANKS + b"\n\r\n"],
}


@pytest.mark.parametrize("name", BACKTRACKING)
def test_blanks_before_an_invalid_byte_take_little_time(name):
    begin = thread_time()
    assert fed(answer_at_once, *BACKTRACKING[name]).ended
    assert thread_time() - begin < 0.1


def test_blanks_around_a_header_and_the_extension_of_a_chunk_are_accepted():
    head = b"POST / HTTP/1.1\r\nHost: \t x \t\r\nEmpty: \t\r\nTransfer-Encoding: chunked\r\n\r\n"
    transport = fed(read_and_answer, head, b"4; a=b \r\nabcd\r\n0\r\n\r\n")
    assert b"HTTP/1.1 404" in written(transport)


@pytest.mark.parametrize(
    ("header", "body", "most"),
    [("Content-Length: 60000", bytes(60_000), 16_384), ("Transfer-Encoding: chunked", b"1\r\nx\r\n" * 10_000, 4096)],
    ids=["a length", "chunks"],
)
def test_a_connection_reads_little_at_a_time(header, body, most):
    """Many small chunks, read at once, would delay other connections."""
    transport = fed(read_and_answer, f"POST / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode(), body)
    assert max(transport.sizes[1:]) == most
