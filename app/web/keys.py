"""API keys and their names, of a setting and of a file, which may change."""

import hmac
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog
from prometheus_client import Counter
from pydantic import SecretStr

# Names are values of a metric's label.
NAMED_KEY = re.compile(r"([A-Za-z0-9._-]{1,64}):[ \t]*([!-~]+)")
SYNTAX = (
    "Names have up to 64 ASCII letters, digits, '.', '_' and '-'; keys have ASCII "
    "characters, and no spaces."
)
# Each key takes a comparison per request, and a series of the metric.
MAX_BYTES = 100_000
LOG = structlog.get_logger("digits")


class InvalidKeys(Exception):
    """The file has no valid keys; the message says why, without any of its content."""


class Keys:
    """The API keys that requests may have.

    Those given are named key-1, key-2 and so on; the file names its own.
    """

    def __init__(
        self, given: Sequence[SecretStr], file: Path | None, requests: Counter
    ) -> None:
        self.given = {
            key.get_secret_value().encode(): f"key-{number}"
            for number, key in enumerate(given, 1)
        }
        self.file = file
        self.requests = requests
        self.stamp = stamp_of(file)
        self.load()

    def load(self) -> None:
        """Read the file, if there is one; raise InvalidKeys."""
        found = read(self.file, self.given.values()) if self.file else {}
        self.names = self.given | found
        for name in self.names.values():
            self.requests.labels(name)  # so that a key that was never used shows 0

    def refresh(self) -> None:
        """Read the file again if it has changed; keep the keys if it is invalid."""
        stamp = stamp_of(self.file)
        if stamp == self.stamp:
            return
        self.stamp = stamp
        try:
            self.load()
        except InvalidKeys as error:
            LOG.error(
                f"{error} Until that is corrected, the API keys stay as they were."
            )
        else:
            LOG.info("API keys were read again", keys=list(self.names.values()))

    def name_of(self, given: str) -> str:
        """Return the name of a key, or "" for a wrong one.

        It is compared with all of them, each in constant time.
        """
        encoded = given.encode()  # once, since a header may have 32 kB
        found = ""
        for key, name in self.names.items():
            if hmac.compare_digest(encoded, key):
                found = name
        return found


def stamp_of(file: Path | None) -> object:
    """Return what changes if a file is written, replaced, deleted or protected."""
    try:
        status = file.stat() if file else None
    except OSError as error:
        return error.errno
    return status and (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def read(file: Path, taken: Iterable[str]) -> dict[bytes, str]:
    """Return the keys in a file, each with its name; raise InvalidKeys."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        return parse(content, taken)
    except OSError as error:
        raise InvalidKeys(f"{file}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise InvalidKeys(f"{file}: {error}") from error


def parse(content: bytes, taken: Iterable[str]) -> dict[bytes, str]:
    """Return the keys in lines `name: key`, each with its name; raise ValueError."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"has more than {MAX_BYTES:,} bytes.")
    found: dict[bytes, str] = {}
    names = set(taken)
    lines = content.decode("utf-8-sig", "replace").splitlines()
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        parts = NAMED_KEY.fullmatch(line)
        if not parts:
            raise ValueError(f"line {number} is not `name: key`. {SYNTAX}")
        name = parts[1]
        key = parts[2].encode()
        if name in names or key in found:
            raise ValueError(
                f"line {number} has the key of another line, or a name that is taken."
            )
        names.add(name)
        found[key] = name
    if not found:
        raise ValueError("has no keys.")
    return found
