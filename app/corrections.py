"""Corrections: pictures and their correct labels, in one folder.

A correction is two files, named by the SHA-256 of the picture and by the page, except
the first: the picture, and a JSON object with the page, its label and the service's
answer. Each file is written atomically, the JSON last: a picture without it is not a
correction. What a process leaves that is killed meanwhile is deleted later.
"""

import asyncio
import hashlib
import json
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from pydantic_core import from_json

from app.picture.file_formats import ENDINGS, file_format_of

RECORD = ".json"  # file extension of the JSON
STEM = re.compile(r"[0-9a-f]{64}(?:-([1-9][0-9]*))?")  # of both names, with the page
UNFINISHED = re.compile(rf"\.{STEM.pattern}\.[a-z]+\.[0-9a-f]{{32}}")  # see `write`
LEFTOVER_SECONDS = 600  # since the last change of a file: nobody still writes it
MAX_RECORD_BYTES = 10_000
# A digit, a number as it is written, with newlines between lines, or `none`. Which
# characters it may have depends on the line network: see `require_readable`.
LABEL = r"^\S([\s\S]{0,198}\S)?$"
OWNER = 0o600  # permissions of the files, unless the umask is set for sharing


class NotStored(Exception):
    """A correction cannot be stored; the message says why and what to do."""


@dataclass
class Corrections:
    """A folder that corrections are added to, by several processes at once; used within
    one event loop.

    Parameters
    ----------
    folder : Path
        The folder. Deleting files in it removes the corrections.
    max_number : int
        Maximum number of corrections. Processes that add one at the same time may
        exceed it by one each.
    max_bytes : int
        Maximum total size of the files in the folder, in bytes. It may be exceeded in
        the same way.
    seconds : float
        Maximum time to store a correction.
    """

    folder: Path
    max_number: int
    max_bytes: int
    seconds: float
    # Corrections are stored one at a time: each scans the folder, in a thread.
    storing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def add(
        self, picture: bytes, label: str, answer: Mapping[str, Any], page: int = 1
    ) -> bool:
        """Store a correction in a thread; see `store`.

        Raises NotStored, too, if the folder does not answer in time.
        """
        try:
            async with asyncio.timeout(self.seconds):
                await self.storing.acquire()
                work = asyncio.ensure_future(
                    asyncio.to_thread(self.store, picture, label, answer, page)
                )
                # Not before: one thread may hang, no more.
                work.add_done_callback(lambda _: self.storing.release())
                return await asyncio.shield(work)
        except TimeoutError as error:
            raise NotStored(
                "The folder of corrections does not answer: tell the operator."
            ) from error

    def store(
        self, picture: bytes, label: str, answer: Mapping[str, Any], page: int = 1
    ) -> bool:
        """Store a picture with the label of a page, or replace the label; return False
        if that is stored already.

        Raises NotStored if the folder is full, or cannot be written.
        """
        format = file_format_of(picture)
        assert format  # since it was read
        stem = hashlib.sha256(picture).hexdigest()
        if page > 1:
            stem += f"-{page}"
        file = self.folder / (stem + format.endings[0])
        record = self.folder / (stem + RECORD)
        content = {
            "picture": file.name,
            "page": page,
            "label": label,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            **answer,
        }
        written = json.dumps(content).encode()
        try:
            known = label_in(record) if is_file(file) else ""
            if known == label:
                return False
            if not known:
                self.check_room(len(picture) + len(written))
                write(file, picture)
            write(record, written)
        except OSError as error:
            raise NotStored(
                f"The correction cannot be written ({error.strerror}): tell the "
                "operator."
            ) from error
        return True

    def check_room(self, size: int) -> None:
        """Raise NotStored if there is no room for another correction of this size."""
        delete_leftovers(self.folder)
        sizes = sizes_in(self.folder)
        number = sum(name.endswith(RECORD) for name in sizes)
        if number >= self.max_number or sum(sizes.values()) + size > self.max_bytes:
            raise NotStored(
                "The folder of corrections is full: the operator can export and then "
                "delete them."
            )


class Correction(NamedTuple):
    """A page of a picture, from 1 on, and its correct label."""

    picture: Path
    page: int
    label: str


def corrections_in(folder: Path) -> Iterator[Correction]:
    """Yield each correction, sorted by name; skip what the service did not write."""
    for record in sorted(folder.glob(f"*{RECORD}")):
        stem = STEM.fullmatch(record.stem)
        label = label_in(record)
        if stem and label:
            for picture in filter(is_file, map(record.with_suffix, ENDINGS)):
                yield Correction(picture, int(stem[1] or 1), label)


def label_in(record: Path) -> str:
    """Return the label in the JSON of a correction; "" if it is missing or damaged."""
    if not is_file(record):
        return ""
    try:
        with record.open("rb") as file:
            content = from_json(file.read(MAX_RECORD_BYTES))
    except ValueError:
        return ""
    label = content.get("label") if isinstance(content, dict) else None
    return label if isinstance(label, str) and re.fullmatch(LABEL, label) else ""


def is_file(path: Path) -> bool:
    """Return whether a path is a regular file.

    To open a pipe may take for ever, and a link may lead elsewhere.
    """
    return path.is_file() and not path.is_symlink()


def sizes_in(folder: Path) -> dict[str, int]:
    """Return the size of each file in bytes."""
    sizes = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # renamed or deleted meanwhile
                sizes[entry.name] = entry.stat().st_size
    return sizes


def delete_leftovers(folder: Path) -> None:
    """Delete the files of processes that were killed while they stored a correction."""
    names = set(os.listdir(folder))
    latest = time.time() - LEFTOVER_SECONDS
    for name in names:
        if not is_leftover(name, names):
            continue
        path = folder / name
        with suppress(FileNotFoundError):  # another process may have deleted it
            is_old = path.stat().st_mtime < latest
            # The list may lack a record that was just replaced.
            if is_old and not path.with_suffix(RECORD).exists():
                path.unlink()


def is_leftover(name: str, names: Collection[str]) -> bool:
    """Return whether a file is unfinished, or a picture without its record."""
    stem, ending = os.path.splitext(name)
    if stem + RECORD in names:
        return False
    is_picture = ending in ENDINGS and STEM.fullmatch(stem)
    return bool(is_picture or UNFINISHED.fullmatch(name))


def write(path: Path, content: bytes) -> None:
    """Write a file atomically, even if the process or the machine stops."""
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        opener = partial(os.open, mode=permissions())
        with open(unfinished, "xb", opener=opener) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def permissions() -> int:
    """Return the permissions of a new file, for all whom the umask lets write."""
    umask = os.umask(0o077)  # there is no way to read it without setting it
    os.umask(umask)
    write = 0o222 & ~umask
    read = write << 1
    return OWNER | read | write
