"""Reads and discards the rest of a refused body before the response, if the connection closes after it."""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class LingeringMiddleware:
    """ASGI middleware for clients that send the whole request before they read, as Python's urllib does.

    Data that arrives on a closed connection resets it, and such a client would see that in place of the response.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; see the class."""
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        options = {option.strip() for option in headers.get("connection", "").lower().split(",")}
        closes = "close" in options or scope.get("http_version") == "1.0"
        if not closes or "expect" in headers:
            await self.app(scope, receive, send)
            return
        has_more = True

        async def receive_and_note() -> Message:
            nonlocal has_more
            message = await receive()
            has_more = message.get("more_body", False)
            return message

        async def send_after_the_body(message: Message) -> None:
            nonlocal has_more
            with suppress(TimeoutError):
                async with asyncio.timeout(self.seconds):
                    while has_more:
                        await receive_and_note()
            has_more = False  # or each further message would wait again
            await send(message)

        await self.app(scope, receive_and_note, send_after_the_body)
