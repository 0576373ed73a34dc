"""Rows → Parquet files in DESTINATION, one for each part; and the rows that are already
there.

A file's name contains a hash of the paths of its part. It is replaced in one step by
one with more rows of the part, so that no row is ever there twice, even if the part is
read again after its worker was lost.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TextIO
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector

from app.answers.responses import LEGIBLE
from app.answers.spreadsheet import line_of
from app.bulk.errors import BulkError
from app.bulk.rows import LINE_IN_CSV, SCHEMA, Row, by_line
from app.bulk.source import Part
from app.bulk.storage import Place
from app.text.field import ANYTHING, Field

BATCH = 1000  # rows in memory at once; each may have a page of digits
OF_BOTH_KINDS = ["confidence", "legibility", "model", "error", "page"]
OF_TEXT = ["line", "format", "value"]
# The path of a row, and the page and the number of pages of a document.
Location = tuple[str, int | None, int | None]
Pages = defaultdict[str, set[int]]  # of each document, those that have a row


class Summary(NamedTuple):
    """The number of pictures, of those with a low legibility, and of those with each
    type of error.
    """

    pictures: int
    hardly_legible: int
    errors: Counter[str]


@dataclass(frozen=True)
class Destination:
    """A folder of results: digits or texts, all of one `model`, as in the answers, and
    of one field.
    """

    place: Place
    kind: Literal["digit", "text"]
    model: str
    field: Field = ANYTHING

    @property
    def prefix(self) -> str:
        """Prefix of the file names."""
        if self.field == ANYTHING:
            return f"{self.kind}-{self.model}-"
        characters = sorted({*(self.field.characters or "")})
        said = [*characters, self.field.format, self.field.date]
        digest = digest_of("\n".join(filter(None, said)))
        return f"{self.kind}-of-{digest}-{self.model}-"

    def prepare(self) -> None:
        """Create the folder; raise BulkError if it holds other results."""
        if self.place.pattern:
            raise BulkError(
                f"{self.place} is not a folder: choose one for the results."
            )
        self.place.filesystem.create_dir(self.place.path)
        for path in self.place.files():
            name = self.place.below(path)
            if not name.startswith(self.prefix):
                raise BulkError(
                    f"{self.place} holds {name}, which is not a result of this model "
                    "with these values of --read, "
                    "--characters, --format and --date. Choose another folder."
                )

    def paths(self) -> set[str]:
        """Return the paths of all pictures and whole documents that have their rows."""
        return progress_of(self.places())[0]

    def pages(self) -> Pages:
        """Return, for each document of which some pages have no row, the others."""
        return progress_of(self.places(ds.field("page").is_valid()))[1]

    def places(self, condition: ds.Expression | None = None) -> Iterator[Location]:
        """Yield the path, the page and the number of pages of each row that meets a
        condition.
        """
        for batch in self.batches("path", "page", "pages", condition=condition):
            columns = [column.to_pylist() for column in batch.columns]
            yield from zip(*columns, strict=True)

    def file_of(self, part: Part) -> str:
        """Return the path of the file for the rows of a part, which no other part has,
        whatever their paths contain.
        """
        return f"{self.place.path}/{self.prefix}{digest_of(json.dumps(part))}.parquet"

    def rows_of(self, part: Part) -> list[Row]:
        """Return the rows of a part that are there: those of a worker that was lost."""
        path = self.file_of(part)
        if not self.place.filesystem.get_file_info(path).is_file:
            return []
        rows: list[Row] = pq.read_table(
            path, schema=SCHEMA, filesystem=self.place.filesystem
        ).to_pylist()
        return rows

    def write(self, part: Part, rows: list[Row]) -> None:
        """Write all rows of a part so far, in place of those written before."""
        unfinished = f"{self.place.path}/.{self.prefix}{uuid4().hex}"
        system = self.place.filesystem
        table = pa.Table.from_pylist(rows, SCHEMA)
        pq.write_table(table, unfinished, compression="zstd", filesystem=system)
        system.move(unfinished, self.file_of(part))

    def tidy(self) -> None:
        """Delete the unfinished files of lost workers, once all parts are done."""
        for entry in self.place.filesystem.get_file_info(FileSelector(self.place.path)):
            if entry.base_name.startswith(f".{self.prefix}"):
                self.place.filesystem.delete_file(entry.path)

    def summary(self) -> Summary:
        """Count the rows."""
        pictures = 0
        hardly_legible = 0
        errors = Counter[str]()
        for batch in self.batches("legibility", "error"):
            pictures += len(batch)
            is_low = pc.less(batch.column("legibility"), LEGIBLE)
            hardly_legible += pc.sum(is_low).as_py() or 0
            failures = batch.column("error").drop_null()
            errors.update(pc.struct_field(failures, "type").to_pylist())
        return Summary(pictures, hardly_legible, errors)

    def write_csv(self, file: TextIO) -> None:
        """Write CSV: a row for each digit, or for each line of a text."""
        stored = ["path", "key", self.kind, *OF_BOTH_KINDS]
        columns = stored + (OF_TEXT if self.kind == "text" else [])
        file.write(f"{line_of(columns)}\n")
        for batch in self.batches(*stored, "lines"):
            lines = batch.column("lines").cast(pa.list_(LINE_IN_CSV))
            for row in batch.set_column(len(stored), "lines", lines).to_pylist():
                row["error"] = row["error"] and row["error"]["detail"]
                for cells in by_line(row):
                    file.write(f"{line_of(map(cells.get, columns))}\n")

    def batches(
        self, *columns: str, condition: ds.Expression | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield these columns of all rows that meet a condition, in batches; earlier
        versions wrote no pages.
        """
        files = ds.dataset(self.place.files(), SCHEMA, "parquet", self.place.filesystem)
        yield from files.to_batches(
            columns=list(columns), filter=condition, batch_size=BATCH
        )


def progress_of(rows: Iterable[Location]) -> tuple[set[str], Pages]:
    """Return the paths that have all their rows, and for each other document the pages
    that have one.
    """
    complete = set[str]()
    pages_of = Pages(set)
    for path, page, pages in rows:
        if page is None or pages is None:
            complete.add(path)
        else:
            pages_of[path].add(page)
            if len(pages_of[path]) == pages:
                complete.add(path)
                del pages_of[path]
    return complete, pages_of


def digest_of(text: str) -> str:
    """Return a hash of a text, for a file name."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
