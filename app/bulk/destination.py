"""Rows → Parquet files in DESTINATION, which appear only when complete; and the rows that are already there.

A file's name contains a hash of the paths in it, so that a part that is read again after its worker was lost overwrites
its own file.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TextIO
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector

from app.bulk.errors import BulkError
from app.bulk.rows import SCHEMA
from app.bulk.storage import Place
from app.spreadsheet import line_of
from app.web.answers import LEGIBLE


class Summary(NamedTuple):
    """The number of pictures, of those with a low legibility, and of those with each type of error."""

    pictures: int
    hardly_legible: int
    errors: Counter[str]


@dataclass(frozen=True)
class Destination:
    """A folder of results: digits or texts, all of one `model`, as in the answers, and one set of characters."""

    place: Place
    kind: Literal["digit", "text"]
    model: str
    characters: str | None = None

    @property
    def prefix(self) -> str:
        """Prefix of the file names."""
        if self.characters is None:
            return f"{self.kind}-{self.model}-"
        return f"{self.kind}-of-{digest_of(sorted({*self.characters}))}-{self.model}-"

    def prepare(self) -> None:
        """Create the folder; raise BulkError if it holds other results."""
        if self.place.pattern:
            raise BulkError(f"{self.place} is not a folder: choose one for the results.")
        self.place.filesystem.create_dir(self.place.path)
        for path in self.place.files():
            name = self.place.below(path)
            if not name.startswith(self.prefix):
                raise BulkError(
                    f"{self.place} holds {name}, which is not a result of this model with these values of --read and "
                    "--characters. Choose another folder."
                )

    def paths(self) -> set[str]:
        """Return the paths of all pictures that have a row."""
        return {path for batch in self.batches("path") for path in batch.column("path").to_pylist()}

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Write the rows of a part."""
        name = f"{self.prefix}{digest_of(row['path'] for row in rows)}.parquet"
        unfinished = f"{self.place.path}/.{name}.{uuid4().hex}"
        with self.place.filesystem.open_output_stream(unfinished, compression=None) as file:
            pq.write_table(pa.Table.from_pylist(rows, SCHEMA), file, compression="zstd")
        self.place.filesystem.move(unfinished, f"{self.place.path}/{name}")

    def tidy(self) -> None:
        """Delete the unfinished files of lost workers, once all parts are done."""
        for entry in self.place.filesystem.get_file_info(FileSelector(self.place.path)):
            if entry.base_name.startswith(f".{self.prefix}"):
                self.place.filesystem.delete_file(entry.path)

    def summary(self) -> Summary:
        """Count the rows."""
        pictures, hardly_legible, errors = 0, 0, Counter[str]()
        for batch in self.batches("legibility", "error"):
            pictures += len(batch)
            hardly_legible += pc.sum(pc.less(batch.column("legibility"), LEGIBLE)).as_py() or 0
            errors.update(error["type"] for error in batch.column("error").drop_null().to_pylist())
        return Summary(pictures, hardly_legible, errors)

    def write_csv(self, file: TextIO) -> None:
        """Write a row for each picture as CSV: a text has its lines in one cell."""
        columns = ["path", "key", self.kind, "confidence", "legibility", "model", "error"]
        file.write(f"{line_of(columns)}\n")
        for batch in self.batches(*columns):
            for *cells, error in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                file.write(f"{line_of([*cells, error and error['detail']])}\n")

    def batches(self, *columns: str) -> Iterator[pa.RecordBatch]:
        """Yield these columns of all rows, in batches."""
        files = ds.dataset(self.place.files(), SCHEMA, "parquet", self.place.filesystem)
        yield from files.to_batches(columns=list(columns))


def digest_of(names: Iterable[str]) -> str:
    """Return a hash of names, for a file name."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
