"""Authentication by API key."""

import hmac
from collections.abc import Sequence
from typing import Annotated

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from app.web.errors import Unauthorized

BEARER = HTTPBearer(auto_error=False, description="One of DIGITS_API_KEYS.")
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, in a header of its own.")


class Keys:
    """A dependency that admits requests with one of the keys, and raises Unauthorized for others."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self.keys = [key.get_secret_value().encode() for key in keys]

    async def __call__(
        self,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
        header: Annotated[str | None, Security(HEADER)],
    ) -> None:
        """Raise Unauthorized if no header has a key, or any has a wrong one."""
        given = [bearer.credentials] if bearer else []
        given += [header] if header else []
        if not given or not all(self.has(key) for key in given):
            problem = "This API key is wrong" if given else "This service needs an API key"
            raise Unauthorized(f"{problem}: send one as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.")

    def has(self, given: str) -> bool:
        """Return whether this is one of the keys; it is compared with all of them, each in constant time."""
        return sum(hmac.compare_digest(given.encode(), key) for key in self.keys) > 0
