"""API keys: who may ask. Ignores: what is asked."""

import hmac
from collections.abc import Sequence

from fastapi import Request, Security
from fastapi.params import Depends
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import SecretStr

# Only for the documentation: Keys does the asking.
SCHEMES: list[Depends] = [
    Security(HTTPBearer(auto_error=False, description="One of DIGITS_API_KEYS.")),
    Security(APIKeyHeader(name="X-API-Key", auto_error=False, description="The same, in a header of its own.")),
]


class Unauthorized(Exception):
    """The request has no key, or a wrong one."""


class Keys:
    """The keys that let a request in; where there are none, every request is let in."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self.keys = [key.get_secret_value().encode() for key in keys]

    def check(self, request: Request) -> None:
        """Raise Unauthorized where a key is needed and no header carries one, or any carries a wrong one."""
        if self.keys:
            scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
            given = [bearer.strip()] if scheme.lower() == "bearer" else []
            given += request.headers.getlist("x-api-key")
            if not given or not all(self.knows(key) for key in given):
                raise Unauthorized(
                    "This service needs an API key: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
                )

    def knows(self, given: str) -> bool:
        """Whether it is one of the keys; all of them are compared, each in constant time."""
        return sum(hmac.compare_digest(given.encode(), key) for key in self.keys) > 0
