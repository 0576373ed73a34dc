"""API keys: who may ask. Ignores: what is asked."""

import hmac
from collections.abc import Sequence
from typing import Annotated

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

BEARER = HTTPBearer(auto_error=False, description="One of DIGITS_API_KEYS.")
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same, in a header of its own.")


class Unauthorized(Exception):
    """The request has no key, or a wrong one."""


class Keys:
    """A dependency that lets through requests that carry one of the keys."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self.keys = [key.get_secret_value().encode() for key in keys]

    async def __call__(
        self,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
        header: Annotated[str | None, Security(HEADER)],
    ) -> None:
        """Raise Unauthorized where neither header carries a key, or one carries a wrong one."""
        given = [bearer.credentials] if bearer else []
        given += [header] if header is not None else []
        if not given or not all(self.knows(key) for key in given):
            raise Unauthorized(
                "This service needs an API key: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
            )

    def knows(self, given: str) -> bool:
        """Whether it is one of the keys; all of them are compared, each in constant time."""
        return sum(hmac.compare_digest(given.encode(), key) for key in self.keys) > 0
