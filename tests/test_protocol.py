"""A connection, fed with bytes: when it is closed, and when it is not."""

import asyncio
from unittest.mock import Mock

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.server.protocol import Protocol

SECONDS = 0.2
REQUEST = b"POST /none HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n"
REST = b"0\r\n\r\n"


async def answer_at_once(scope, receive, send):
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def never_answer(scope, receive, send):
    await asyncio.Event().wait()


def fed(app, *chunks: bytes, wait: float = 0) -> Mock:
    """The transport of a connection on which these bytes have arrived, one chunk after another."""

    async def feed() -> Mock:
        config = uvicorn.Config(app, ws="none", log_config=None)
        protocol, transport = Protocol(config, ServerState(), {}, header_timeout_seconds=SECONDS), Mock()
        transport.is_closing.return_value = False
        transport.get_extra_info.return_value = None
        protocol.connection_made(transport)
        for chunk in chunks:
            protocol.data_received(chunk)
            await asyncio.sleep(0.01)
        await asyncio.sleep(wait)
        was_closed = transport.close.called
        protocol.connection_lost(None)
        transport.close.called = was_closed
        return transport

    return asyncio.run(feed())


def written(transport: Mock) -> bytes:
    return b"".join(call.args[0] for call in transport.write.call_args_list)


@pytest.mark.parametrize(
    "chunks",
    [[], [b"POST /none HT"], [REQUEST], [REQUEST + REST], [REQUEST + REST, b"GET"]],
    ids=["nothing", "a part of a line", "an answered body that goes on", "a finished request", "a begun second one"],
)
def test_a_connection_without_a_request_in_hand_is_closed_in_the_end(chunks):
    assert fed(answer_at_once, *chunks, wait=2 * SECONDS).close.called


def test_a_connection_with_a_request_in_hand_is_not_closed():
    assert not fed(never_answer, REQUEST, wait=2 * SECONDS).close.called
    assert not fed(never_answer, REQUEST + REST, wait=2 * SECONDS).close.called


def test_time_begins_anew_with_each_answer():
    chunks = [REQUEST + REST] * int(1.5 * SECONDS / 0.01)
    transport = fed(answer_at_once, *chunks)
    assert not transport.close.called
    assert written(transport).count(b"HTTP/1.1 404") == len(chunks)


def test_what_is_not_http_is_answered_once_and_closed():
    transport = fed(answer_at_once, b"\x16\x03\x01\r\n\r\n")
    assert written(transport).startswith(b"HTTP/1.1 400 ")
    assert transport.close.called


def test_a_broken_rest_of_an_answered_request_ends_the_connection_without_a_second_answer():
    transport = fed(answer_at_once, REQUEST, b"zz\r\nzz\r\n")
    assert written(transport).count(b"HTTP/1.1") == 1
    assert transport.close.called
