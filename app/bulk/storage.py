"""Names of files and folders → a file system and a path in it: local, s3://, gs:// and
others that pyarrow supports.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fsspec.utils import glob_translate
from pyarrow.fs import FileSelector, FileSystem, FileType

from app.bulk.errors import BulkError


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

    def files(self) -> list[str]:
        """Return the file itself, or the visible files in the folder that match the
        glob, if any, sorted by name.
        """
        try:
            if not self.pattern and self.type is FileType.File:
                return [self.path]
            found = self.stored_files() if self.scheme else self.local_files()
            return sorted(filter(self.includes, found))
        except UnicodeEncodeError as error:
            name = os.fsencode(error.object)
            raise BulkError(
                f"{self} cannot be listed: {name!r} is not UTF-8. Rename that file."
            ) from error
        except OSError as error:
            raise BulkError(f"{self} cannot be listed: {error}") from error

    @property
    def type(self) -> FileType:
        """Whether it is a file or a folder, or is not found."""
        return self.filesystem.get_file_info(self.path).type

    def local_files(self) -> Iterator[str]:
        """Yield the files in the folder and its subfolders, except linked folders."""

        def fail(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                raise error

        for parent, _, names in os.walk(self.path, onerror=fail):
            for name in names:
                path = Path(parent, name).as_posix()
                if os.path.isfile(path):
                    path.encode()  # UnicodeEncodeError unless the name is UTF-8
                    yield path

    def stored_files(self) -> Iterator[str]:
        """Yield the files in object storage."""
        everything = FileSelector(self.path, recursive=True, allow_not_found=True)
        for entry in self.filesystem.get_file_info(everything):
            if entry.type is FileType.File:
                yield entry.path

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


def place_of(name: str) -> Place:
    """Parse a path, a URI, or a glob of either. Raises BulkError."""
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
        raise BulkError(f"{name}: {error}") from error
    scheme = "" if filesystem.type_name == "local" else name[: name.index("://") + 3]
    return Place(filesystem, path.rstrip("/") or "/", scheme, name[end:])
