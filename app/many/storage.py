"""Names of files and folders → a file system and a path in it: local, s3://, gs:// and
others that pyarrow supports.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fsspec.utils import glob_translate
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType

from app.many.errors import CannotGoOn
from app.many.pictures import State, files_in


class Place(NamedTuple):
    """A file or folder.

    Attributes
    ----------
    filesystem : FileSystem
        The file system that contains it.
    path : str
        Its path in the file system.
    scheme : str
        Prefix that turns the path into a URI, such as "s3://"; empty for local files.
    pattern : str
        Glob for the files below the folder; empty if none was given.
    """

    filesystem: FileSystem
    path: str
    scheme: str
    pattern: str

    def __str__(self) -> str:
        pattern = f"/{self.pattern}" if self.pattern else ""
        return self.outside(self.path + pattern)

    def outside(self, path: str) -> str:
        """Convert a path in the file system to its public name."""
        return self.scheme + path

    def inside(self, path: str) -> str:
        """Convert a public name to a path in the file system."""
        return path.removeprefix(self.scheme)

    def files(self) -> dict[str, State]:
        """Return the state of the file itself, or by path those of the visible files in
        the folder that match the glob, if any, sorted by name.
        """
        try:
            info = self.filesystem.get_file_info(self.path)
            if not self.pattern and info.type is FileType.File:
                return {self.path: state_listed(info)}
            listed = self.stored_files() if self.scheme else self.local_files()
            found = {path: state for path, state in listed if self.includes(path)}
            return {path: found[path] for path in sorted(found)}
        except UnicodeEncodeError as error:
            name = os.fsencode(error.object)
            raise CannotGoOn(
                f"{self} cannot be listed: {name!r} is not UTF-8. Rename that file."
            ) from error
        except OSError as error:
            raise CannotGoOn(f"{self} cannot be listed: {error}") from error

    @property
    def type(self) -> FileType:
        """Whether it is a file or a folder, or is not found."""
        return self.filesystem.get_file_info(self.path).type

    def local_files(self) -> Iterator[tuple[str, State]]:
        """Yield the files in the folder and its subfolders."""

        def fail(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                raise error

        for name, state in files_in(self.path, fail):
            path = Path(name).as_posix()
            path.encode()  # UnicodeEncodeError unless the name is UTF-8
            yield path, state

    def stored_files(self) -> Iterator[tuple[str, State]]:
        """Yield the files in object storage."""
        everything = FileSelector(self.path, recursive=True, allow_not_found=True)
        for info in self.filesystem.get_file_info(everything):
            if info.type is FileType.File:
                yield info.path, state_listed(info)

    def includes(self, path: str) -> bool:
        """Whether a path is below the folder, visible, and matches the glob, if any."""
        below = self.below(path)
        if not path.startswith(f"{self.path.rstrip('/')}/"):
            return False
        if "/." in f"/{below}":
            return False
        pattern = glob_translate(self.pattern or "**")
        return re.fullmatch(pattern, below) is not None

    def below(self, path: str) -> str:
        """Return a path relative to the folder."""
        return path.removeprefix(self.path).lstrip("/")


def state_listed(info: FileInfo) -> State:
    """Return the state of a file in a listing."""
    modified = None if info.mtime_ns is None else info.mtime_ns // 1000
    return State(info.size, modified)


def place_of(name: str) -> Place:
    """Parse a path, a URI, or a glob of either. Raises CannotGoOn."""
    is_uri = "://" in name
    magic = r"[*\[]" if is_uri else r"[*?\[]"  # in a URI, ? starts the query
    glob = None if os.path.exists(name) else re.search(magic, name)
    end = name.rfind("/", 0, glob.start()) + 1 if glob else len(name)
    folder = name[:end]
    try:
        filesystem, path = FileSystem.from_uri(
            folder if is_uri else os.path.abspath(folder)
        )
    except (OSError, ValueError) as error:
        raise CannotGoOn(f"{name}: {error}") from error
    scheme = "" if filesystem.type_name == "local" else name[: name.index("://") + 3]
    return Place(filesystem, path.rstrip("/") or "/", scheme, name[end:])
