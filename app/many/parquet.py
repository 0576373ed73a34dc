"""Rows → Parquet files in DESTINATION, one for each part; and the rows that are already
there.

A file's name contains a hash of the paths of its part. It is replaced in one step by
one with more rows of the part, so that no row is ever there twice, even if the part is
read again after its worker was lost; or by one without the rows that are out of date,
whose pictures then are without a row, and are read.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TextIO
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector

from app.answers.arrow import LINE_IN_CSV, schema_of
from app.answers.columns import Kind, Record, is_unsure, widest
from app.answers.responses import LEGIBLE
from app.many.engine import NO_SHEETS, SheetOptions
from app.many.errors import CannotGoOn
from app.many.pictures import State
from app.many.records import Csv
from app.many.resume import Written
from app.many.rows import Values, record_of
from app.many.sources import Part
from app.many.storage import Place
from app.text.conditions import sorted_lines
from app.text.field import ANYTHING, Field

BATCH = 1000  # rows in memory at once; each may have a page of digits
OF_CSV = ["key", "confidence", "model", "page", "size", "modified"]
OF_KIND = {
    "digit": ["digit", "probabilities", "legibility"],
    "text": ["lines", "table", "cells"],
    "sheet": ["fields", "form", "fit"],
}
OF_WRITTEN = ["path", "page", "pages", "error", "size", "modified"]
Pages = defaultdict[str, set[int]]  # of each document, those that have a row
Rotate = Literal["none", "auto"]
IsOutdated = Callable[[Written], bool]


class Summary(NamedTuple):
    """The number of pictures, of those with a low legibility, of those with each type
    of error, and of those that are unsure.
    """

    pictures: int
    hardly_legible: int
    errors: Counter[str]
    unsure: int = 0


@dataclass(frozen=True)
class Destination:
    """A folder of results: digits, texts or sheets, all of one `model`, as in the
    answers, and of one field, from pictures that may all be turned, or not; or of the
    same forms. Fields of sheets with a confidence below `least` are unsure.
    """

    place: Place
    kind: Kind
    model: str
    field: Field = ANYTHING
    rotate: Rotate = "none"
    sheets: SheetOptions = NO_SHEETS
    least: float = 0.0

    @property
    def schema(self) -> pa.Schema:
        """The columns of the rows."""
        return schema_of(self.kind, self.sheets.fields)

    @property
    def prefix(self) -> str:
        """Prefix of the file names."""
        field = self.field
        if field == ANYTHING and self.rotate == "none" and not self.sheets.forms:
            return f"{self.kind}-{self.model}-"
        characters = sorted({*(field.characters or "")})
        turned = "rotate" if self.rotate == "auto" else None
        values = sorted_lines(field.values or "")
        known = field.min, field.max, field.digits, field.check
        said = [*characters, field.format, field.date, turned, *values]
        said += [form.model_dump_json() for form in self.sheets.forms]
        if known != (None,) * len(known):
            said.append(f"{known}")
        digest = digest_of("\n".join(filter(None, said)))
        return f"{self.kind}-of-{digest}-{self.model}-"

    def prepare(self) -> None:
        """Create the folder; raise CannotGoOn if it holds other results."""
        if self.place.pattern:
            raise CannotGoOn(
                f"{self.place} is not a folder: choose one for the results."
            )
        self.place.filesystem.create_dir(self.place.path)
        for path in self.place.files():
            name = self.place.below(path)
            if not name.startswith(self.prefix):
                raise CannotGoOn(
                    f"{self.place} holds {name}, which is not a result of this model "
                    "with these values of --read, --form, --characters, --format, "
                    "--date, --values, --min, --max, --digits, --check and --rotate. "
                    "Choose another folder."
                )

    def paths(self) -> set[str]:
        """Return the paths of all pictures and whole documents that have their rows."""
        return self.progress(self.written())[0]

    def pages(self) -> Pages:
        """Return, for each document of which some pages have no row, the others."""
        return self.progress(self.written(ds.field("page").is_valid()))[1]

    def progress(self, rows: Iterable[Written]) -> tuple[set[str], Pages]:
        """Return the paths that have all their rows, and for each other document the
        pages that have one.
        """
        complete = set[str]()
        pages_of = Pages(set)
        for row in rows:
            if row.page is None or row.pages is None:
                complete.add(row.path)
                continue
            pages_of[row.path].add(row.page)
            if len(pages_of[row.path]) * self.sheets.pages >= row.pages:
                complete.add(row.path)
                del pages_of[row.path]
        return complete, pages_of

    def written(self, condition: ds.Expression | None = None) -> Iterator[Written]:
        """Yield what each row says of its picture, of those that meet a condition."""
        for batch in self.batches(*OF_WRITTEN, condition=condition):
            yield from written_in(batch)

    def discard(self, is_outdated: IsOutdated) -> None:
        """Remove the rows that are out of date."""
        for file in self.place.files():
            rows = written_in(self.table_in(file, OF_WRITTEN))
            kept = [not is_outdated(row) for row in rows]
            if all(kept):
                continue
            if any(kept):
                self.replace(file, self.table_in(file).filter(kept))
            else:
                self.place.filesystem.delete_file(file)

    def file_of(self, part: Part) -> str:
        """Return the path of the file for the rows of a part, which no other part has,
        whatever their paths contain.
        """
        digest = digest_of(json.dumps([*part]))
        return f"{self.place.path}/{self.prefix}{digest}.parquet"

    def table_of(self, part: Part) -> pa.Table:
        """Return the rows of a part that are there: those of a worker that was lost."""
        path = self.file_of(part)
        if not self.place.filesystem.get_file_info(path).is_file:
            return self.schema.empty_table()
        return self.table_in(path)

    def table_in(self, path: str, columns: list[str] | None = None) -> pa.Table:
        """Return the rows in a file, or some of their columns."""
        system = self.place.filesystem
        return pq.read_table(
            path, columns=columns, schema=self.schema, filesystem=system
        )

    def write(self, part: Part, rows: list[Values]) -> None:
        """Write all rows of a part so far, in place of those written before."""
        self.replace(self.file_of(part), pa.Table.from_pylist(rows, self.schema))

    def replace(self, path: str, table: pa.Table) -> None:
        """Write a file in one step, in place of the one that may be there."""
        unfinished = f"{self.place.path}/.{self.prefix}{uuid4().hex}"
        system = self.place.filesystem
        pq.write_table(table, unfinished, compression="zstd", filesystem=system)
        system.move(unfinished, path)

    def tidy(self) -> None:
        """Delete the unfinished files of lost workers, once all parts are done."""
        for entry in self.place.filesystem.get_file_info(FileSelector(self.place.path)):
            if entry.base_name.startswith(f".{self.prefix}"):
                self.place.filesystem.delete_file(entry.path)

    def summary(self, least: float = 0.0) -> Summary:
        """Count the rows; those with a lower confidence or legibility are unsure."""
        pictures = 0
        hardly_legible = 0
        errors = Counter[str]()
        shares = ["legibility"] if self.kind == "digit" else []
        for batch in self.batches("error", *shares):
            pictures += len(batch)
            for name in shares:
                is_low = pc.less(batch.column(name), LEGIBLE)
                hardly_legible += pc.sum(is_low).as_py() or 0
            errors.update(filter(None, error_types(batch.column("error"))))
        unsure = 0
        if least:
            for record in self.records("confidence", *OF_KIND[self.kind]):
                unsure += not record["error"] and is_unsure(record, least)
        return Summary(pictures, hardly_legible, errors, unsure)

    def write_csv(self, file: TextIO, least: float, for_spreadsheet: bool) -> None:
        """Write CSV: a row for each digit or sheet, or for each line of a text."""
        csv = Csv(self.kind, least, for_spreadsheet, self.sheets.fields)
        if self.kind == "text":
            has_table = ds.field("table").is_valid()
            csv.widen(widest(self.records("table", condition=has_table)))
        file.write(csv.header)
        for record in self.records(*OF_CSV, *OF_KIND[self.kind]):
            file.write(f"{csv.text_of(record)}\n")

    def records(
        self, *columns: str, condition: ds.Expression | None = None
    ) -> Iterator[Record]:
        """Yield what CSV says of each row that meets a condition, in these columns."""
        for batch in self.batches("path", "error", *columns, condition=condition):
            if "lines" in columns:
                lines = batch.column("lines").cast(pa.list_(LINE_IN_CSV))
                place = batch.schema.get_field_index("lines")
                batch = batch.set_column(place, "lines", lines)
            yield from map(record_of, batch.to_pylist())

    def batches(
        self, *columns: str, condition: ds.Expression | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield these columns of all rows that meet a condition, in batches; earlier
        versions wrote fewer.
        """
        paths = [*self.place.files()]
        files = ds.dataset(paths, self.schema, "parquet", self.place.filesystem)
        yield from files.to_batches(
            columns=list(columns), filter=condition, batch_size=BATCH
        )


def written_in(table: pa.Table | pa.RecordBatch) -> Iterator[Written]:
    """Yield what each row of a table says of its picture."""
    columns = [table.column(name).to_pylist() for name in ("path", "page", "pages")]
    problems = (problem or "" for problem in error_types(table.column("error")))
    modified = table.column("modified").cast(pa.int64()).to_pylist()
    states = map(State, table.column("size").to_pylist(), modified)
    return map(Written, *columns, problems, states)


def error_types(errors: pa.Array | pa.ChunkedArray) -> list[str | None]:
    """Return the type of each error; None where there is none."""
    types: list[str | None] = pc.struct_field(errors, "type").to_pylist()
    return types


def digest_of(text: str) -> str:
    """Return a hash of a text, for a file name."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
