"""Authentication by API key."""

from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from app.answers.errors import Unauthorized
from app.web.keys import Keys

BEARER = HTTPBearer(auto_error=False, description="An API key of the service.")
HEADER = APIKeyHeader(
    name="X-API-Key",
    auto_error=False,
    description="The same key, in a header of its own.",
)


class Authentication:
    """A dependency that raises Unauthorized for requests without one of the keys."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    async def __call__(
        self,
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
        header: Annotated[str | None, Security(HEADER)],
    ) -> None:
        """Count a request with a key, and note its name; raise Unauthorized if a key is
        missing or wrong.
        """
        self.keys.refresh()
        given = [bearer.credentials if bearer else "", header or ""]
        names = {self.keys.name_of(key) for key in given if key}
        if not all(names) or not names:
            problem = (
                "This API key is wrong" if names else "This service needs an API key"
            )
            raise Unauthorized(
                f"{problem}: send one as 'Authorization: Bearer KEY' or 'X-API-Key: "
                "KEY'."
            )
        for name in names:
            self.keys.requests.labels(name).inc()
        request.state.key = ", ".join(sorted(names))
