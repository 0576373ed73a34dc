"""A response waits for the rest of the request's body, but not for ever."""

import asyncio
from time import perf_counter

import pytest

from app.web.middleware import LingeringMiddleware

SECONDS = 0.1


async def answer_in_pieces(scope, receive, send):
    await send({"type": "http.response.start", "status": 413, "headers": []})
    for _ in range(9):
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def never_receive():
    await asyncio.Event().wait()


CLOSING = {
    "close": {"headers": [(b"connection", b"close")]},
    "upgrade, close": {"headers": [(b"connection", b"Upgrade, Close")]},
    "HTTP/1.0": {"headers": [], "http_version": "1.0"},
}


@pytest.mark.parametrize("name", CLOSING)
def test_a_client_that_does_not_finish_its_body_is_waited_for_once(name):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", **CLOSING[name]}
    started = perf_counter()
    asyncio.run(LingeringMiddleware(answer_in_pieces, SECONDS)(scope, never_receive, send))
    assert SECONDS <= perf_counter() - started < 5 * SECONDS
    assert len(sent) == 11
