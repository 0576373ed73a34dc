"""Clients that leave while their request is handled."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

Result = TypeVar("Result")


async def require_open(request: Request) -> None:
    """Take the client to have left if it closes its side, where the server can tell.

    Raises ClientDisconnect if it has.
    """
    require = getattr(request.state, "require_open", None)
    if require:
        require()
        await asyncio.sleep(0)  # the connection is closed in the next iteration
        if await request.is_disconnected():
            raise ClientDisconnect


async def unless_gone(request: Request, work: Awaitable[Result]) -> Result:
    """Await work for a request that has arrived; cancel it if the client leaves."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
