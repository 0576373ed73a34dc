"""SOURCE → parts, and a part → its pictures; each part is read and written as a whole.

A path identifies a picture, or a document of several pages: the path of its file, or of
a Parquet file followed by # and the row number.
"""

from bisect import bisect
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, islice

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileType

from app.answers.responses import UNREADABLE
from app.many.errors import CannotGoOn, Unanswered
from app.many.pictures import Picture, State, bounded
from app.many.storage import Place
from app.picture.file_formats import ENDINGS, names_a_picture

# Enough for most pictures; a read allocates memory for the requested size.
FIRST_BYTES = 65536
BUFFER_BYTES = 1_000_000  # read from a Parquet file at a time
DOWNLOADS = 16  # concurrent reads from object storage, per worker
BINARY = (pa.binary(), pa.large_binary())
ROWS = 16  # of a Parquet file, decoded at a time; they may be photos

Part = dict[str, State]  # the paths of its pictures, and the states of their files


@dataclass(frozen=True)
class Files:
    """Pictures that are files, in a folder or matching a glob."""

    place: Place
    max_bytes: int

    def parts(self, size: int) -> Iterator[Part]:
        """Group the files, sorted by name; raise CannotGoOn if there are none."""
        files = self.place.files()
        if not files and (self.place.pattern or self.place.type is FileType.NotFound):
            raise CannotGoOn(f"There is no file or folder {self.place}.")
        paths = [*files]
        if not self.place.pattern:
            paths = [path for path in paths if names_a_picture(path.rpartition("/")[2])]
        if not paths:
            raise CannotGoOn(
                f"There is no picture in {self.place}: no file name ends in "
                f"{', '.join(ENDINGS)}."
            )
        for begin in range(0, len(paths), size):
            some = paths[begin : begin + size]
            yield {self.place.outside(path): files[path] for path in some}

    def file_of(self, path: str) -> str:
        """Return the file of a picture."""
        return path

    def pictures(self, part: Part) -> Iterator[Picture]:
        """Yield the picture in each file, or the error.

        From object storage, several files are read at once.
        """
        if not self.place.scheme:
            yield from map(self.picture, part, part.values())
            return
        files = iter(part.items())
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            while some := dict(islice(files, DOWNLOADS)):
                yield from pool.map(self.picture, some, some.values())

    def picture(self, path: str, state: State) -> Picture:
        """Read the picture in a file, or the error."""
        try:
            with self.place.filesystem.open_input_stream(
                self.place.inside(path), compression=None
            ) as file:
                data = file.read(FIRST_BYTES)
                if len(data) == FIRST_BYTES:
                    data += file.read(self.max_bytes)
        except OSError as error:
            return Picture(path, state=state, data=unreadable(error))
        return Picture(path, state=state, data=bounded(data, self.max_bytes))


@dataclass(frozen=True)
class Table:
    """Pictures in a column of Parquet files; `image.bytes` is the field `bytes` of the
    column `image`.
    """

    place: Place
    max_bytes: int
    column: str
    key: str | None

    def parts(self, size: int) -> Iterator[Part]:
        """Split each file into parts of at least `size` rows; row groups are not split:
        each is read from its start.
        """
        files = self.place.files()
        tables = {path: files[path] for path in files if path.endswith(".parquet")}
        if not tables:
            raise CannotGoOn(f"There is no Parquet file in {self.place}.")
        for path, state in tables.items():
            name = self.place.outside(path)
            begin = 0
            ends = self.checked_ends(path)
            for end in ends:
                if end - begin >= size or begin < end == ends[-1]:
                    yield {f"{name}#{row}": state for row in range(begin, end)}
                    begin = end

    def file_of(self, path: str) -> str:
        """Return the file of a picture."""
        return path.rpartition("#")[0]

    def pictures(self, part: Part) -> Iterator[Picture]:
        """Yield the pictures of a part; if the file is damaged, the remaining ones have
        the error.
        """
        rows = {int(path.rpartition("#")[2]): path for path in part}
        name = self.file_of(next(iter(part)))
        try:
            with self.opened(self.place.inside(name)) as file:
                for row, data, key in self.cells(file, min(rows), max(rows)):
                    if row in rows:
                        path = rows.pop(row)
                        picture = bounded(data or b"", self.max_bytes)
                        yield Picture(path, key=key, state=part[path], data=picture)
        except (OSError, pa.ArrowException) as error:
            for path in rows.values():
                yield Picture(path, state=part[path], data=unreadable(error))

    def cells(
        self, file: pq.ParquetFile, first: int, last: int
    ) -> Iterator[tuple[int, bytes | None, str | None]]:
        """Yield the number, picture and key of each row in the row groups that cover
        `first` to `last`.
        """
        ends = ends_of_groups(file)
        groups = range(bisect(ends, first), bisect(ends[:-1], last) + 1)
        columns = [self.column, self.key] if self.key else [self.column]
        top, *fields = self.column.split(".")
        row = [0, *ends][groups.start]
        for batch in file.iter_batches(ROWS, groups, columns):
            pictures = batch.column(top)
            if fields:
                pictures = pc.struct_field(pictures, fields)
            keys = [None] * len(batch)
            if self.key:
                keys = batch.column(self.key).cast(pa.string()).to_pylist()
            for data, key in zip(pictures, keys, strict=True):
                yield row, data.as_py(), key
                row += 1

    def checked_ends(self, path: str) -> list[int]:
        """Return the ends of a file's row groups.

        Raises CannotGoOn if the file lacks the column of pictures or the key, or one of
        them has another type.
        """
        try:
            with self.opened(path) as file:
                schema = file.schema_arrow
                ends = ends_of_groups(file)
        except (OSError, pa.ArrowException) as error:
            raise CannotGoOn(f"{path} cannot be read: {error}") from error
        kind = type_of(schema, self.column.split("."))
        missing = [self.column] if kind is None else []
        if self.key and self.key not in schema.names:
            missing.append(self.key)
        if missing:
            raise CannotGoOn(
                f"{path} has no column {' or '.join(missing)}, only "
                f"{', '.join(schema.names)}."
            )
        if kind not in BINARY:
            raise CannotGoOn(
                f"{path}: the column {self.column} contains {kind}, not encoded "
                "pictures."
            )
        if self.key and not is_text_or_number(kind := schema.field(self.key).type):
            raise CannotGoOn(
                f"{path}: the key {self.key} contains {kind}, not texts or numbers."
            )
        return ends

    def opened(self, path: str) -> pq.ParquetFile:
        """Open a file, to be read little by little."""
        system = self.place.filesystem
        return pq.ParquetFile(
            path, filesystem=system, buffer_size=BUFFER_BYTES, pre_buffer=False
        )


Source = Files | Table


def type_of(schema: pa.Schema, names: list[str]) -> pa.DataType | None:
    """Return the type of a column, or of a field in it; None if there is none."""
    kind = pa.struct(list(schema))
    try:
        for name in names:
            kind = kind.field(name).type
    except (KeyError, TypeError):
        return None
    return kind


def is_text_or_number(kind: pa.DataType) -> bool:
    """Return whether every value of a type can be converted to a string."""
    try:
        pa.nulls(0, kind).cast(pa.string())
    except pa.ArrowNotImplementedError:
        return False
    return kind not in BINARY and not pa.types.is_fixed_size_binary(kind)


def ends_of_groups(file: pq.ParquetFile) -> list[int]:
    """Return the number of the row after each row group."""
    groups = map(file.metadata.row_group, range(file.num_row_groups))
    return list(accumulate(group.num_rows for group in groups))


def unreadable(error: Exception) -> Unanswered:
    """Return why a picture has no answer if storage gives no bytes."""
    return Unanswered(f"{error}.", UNREADABLE)
