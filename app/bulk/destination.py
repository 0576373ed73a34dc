"""Rows → Parquet files in DESTINATION, each of which appears when it is whole; and what they hold already.

A file's name is made of the paths in it: a part that is read twice, because a worker was lost, replaces itself.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector

from app.bulk.errors import BulkError
from app.bulk.rows import SCHEMA
from app.bulk.storage import Place
from app.inference.thresholds import LEGIBLE


class Summary(NamedTuple):
    """How many pictures there are, how many are hardly legible, and how many could not be read, by the error's type."""

    pictures: int
    hardly_legible: int
    errors: Counter[str]


@dataclass(frozen=True)
class Destination:
    """A folder of results: either digits or texts, all by the same model."""

    place: Place
    kind: Literal["digit", "text"]
    model: str

    @property
    def prefix(self) -> str:
        """How the name of each file begins."""
        return f"{self.kind}-{self.model}-"

    def prepare(self) -> None:
        """Make the folder; BulkError where other results are in it."""
        if self.place.pattern:
            raise BulkError(f"{self.place}/{self.place.pattern} is not a folder: name one for the results.")
        self.place.filesystem.create_dir(self.place.path)
        for path in self.place.files():
            name = self.place.below(path)
            if not name.startswith(self.prefix):
                raise BulkError(
                    f"{self.place} holds {name}, which is of another job: its model, or --read, is not the same. "
                    "Name another folder."
                )

    def paths(self) -> set[str]:
        """The paths of all pictures that have a row."""
        return {path for batch in self.batches("path") for path in batch.column("path").to_pylist()}

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Write the rows of a part."""
        digest = hashlib.sha256("\n".join(row["path"] for row in rows).encode()).hexdigest()[:16]
        name = f"{self.prefix}{digest}.parquet"
        unfinished = f"{self.place.path}/.{name}.{uuid4().hex}"
        with self.place.filesystem.open_output_stream(unfinished, compression=None) as file:
            pq.write_table(pa.Table.from_pylist(rows, SCHEMA), file, compression="zstd")
        self.place.filesystem.move(unfinished, f"{self.place.path}/{name}")

    def tidy(self) -> None:
        """Delete the unfinished files of workers that were lost, when there is nothing left to do."""
        for each in self.place.filesystem.get_file_info(FileSelector(self.place.path)):
            if each.base_name.startswith(f".{self.prefix}"):
                self.place.filesystem.delete_file(each.path)

    def summary(self) -> Summary:
        """Count what there is."""
        pictures, hardly_legible, errors = 0, 0, Counter[str]()
        for batch in self.batches("legibility", "error"):
            pictures += len(batch)
            hardly_legible += pc.sum(pc.less(batch.column("legibility"), LEGIBLE)).as_py() or 0
            errors.update(error["type"] for error in batch.column("error").drop_null().to_pylist())
        return Summary(pictures, hardly_legible, errors)

    def batches(self, *columns: str) -> Iterator[pa.RecordBatch]:
        """Columns of all rows."""
        files = ds.dataset(self.place.files(), SCHEMA, "parquet", self.place.filesystem)
        yield from files.to_batches(columns=list(columns))
