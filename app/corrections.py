"""Corrections: pictures and their correct labels, in one folder.

A correction is two files, named by the SHA-256 of the picture: the picture, and a JSON object with the label and the
service's answer. Each file is written atomically, the JSON last: a picture without it is not a correction.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from app.preprocess.formats import ending_of

RECORD = ".json"  # file extension of the JSON


class NotStored(Exception):
    """A correction cannot be stored; the message says why and what to do."""


class Corrections:
    """A folder that corrections are added to, by several processes at once; used within one event loop.

    Parameters
    ----------
    folder : Path
        The folder. Deleting files in it removes the corrections.
    max_number : int
        Maximum number of corrections. Processes that add one at the same time may exceed it by one each.
    max_bytes : int
        Maximum total size of the files in the folder, in bytes. It may be exceeded in the same way.
    """

    def __init__(self, folder: Path, max_number: int, max_bytes: int) -> None:
        self.folder = folder
        self.max_number = max_number
        self.max_bytes = max_bytes
        self.storing = asyncio.Lock()  # corrections are stored one at a time: each scans the folder, in a thread

    async def add(self, picture: bytes, label: str, answer: Mapping[str, Any]) -> bool:
        """Store a correction in a thread; see `store`."""
        async with self.storing:
            return await asyncio.to_thread(self.store, picture, label, answer)

    def store(self, picture: bytes, label: str, answer: Mapping[str, Any]) -> bool:
        """Store a picture with its label, replacing another label; return False if both are stored already.

        Raises NotStored if the folder is full, or cannot be written.
        """
        stem = hashlib.sha256(picture).hexdigest()
        file, record = self.folder / (stem + ending_of(picture)), self.folder / (stem + RECORD)
        time = datetime.now(UTC).isoformat(timespec="seconds")
        content = json.dumps({"picture": file.name, "label": label, "time": time, **answer}).encode()
        try:
            known = content_of(record).get("label") if file.exists() else None
            if known == label:
                return False
            if known is None:
                self.check_room(len(picture) + len(content))
                write(file, picture)
            write(record, content)
        except OSError as error:
            raise NotStored(f"The correction cannot be written ({error.strerror}): tell the operator.") from error
        return True

    def check_room(self, size: int) -> None:
        """Raise NotStored if there is no room for another correction of this size."""
        sizes = sizes_in(self.folder)
        if (
            sum(name.endswith(RECORD) for name in sizes) >= self.max_number
            or sum(sizes.values()) + size > self.max_bytes
        ):
            raise NotStored("The folder of corrections is full: the operator can export and then delete them.")


def corrections_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the picture and the label of each correction, sorted by name; skip damaged ones."""
    for record in sorted(folder.glob(f"*{RECORD}")):
        content = content_of(record)
        if content and (folder / content["picture"]).exists():
            yield folder / content["picture"], content["label"]


def content_of(record: Path) -> dict[str, Any]:
    """Return what the JSON of a correction says; nothing if it is missing or damaged."""
    try:
        content = json.loads(record.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) and {"picture", "label"} <= content.keys() else {}


def sizes_in(folder: Path) -> dict[str, int]:
    """Return the size of each file in bytes."""
    sizes = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # renamed or deleted meanwhile
                sizes[entry.name] = entry.stat().st_size
    return sizes


def write(path: Path, content: bytes) -> None:
    """Write a file atomically, even if the process or the machine stops."""
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with unfinished.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
