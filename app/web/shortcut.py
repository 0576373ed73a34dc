"""POST /predict → its endpoint, past FastAPI, whose layers and router take a fifth of the time of a small picture.

FastAPI documents the endpoint all the same, and answers everything else. Ignores: what the endpoint does.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web import problems


class Shortcut:
    """ASGI middleware: requests for one path and method go to an endpoint, all others on."""

    def __init__(
        self, app: ASGIApp, method: str, path: str, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> None:
        self.app = app
        self.method = method
        self.path = path
        self.endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; see the class."""
        if scope["type"] != "http" or scope["path"] != self.path or scope["method"] != self.method:
            await self.app(scope, receive, send)
            return
        scope["route"] = self
        request = Request(scope, receive)
        try:
            response = await self.endpoint(request)
        except problems.KNOWN as error:
            response = await problems.on_known(request, error)
        await response(scope, receive, send)
