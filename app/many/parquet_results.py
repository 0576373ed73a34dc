"""A Parquet file of results, to which a later run of the same command adds what is
missing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from app.answers.arrow import schema_of
from app.answers.columns import Kind
from app.many.errors import CannotGoOn, Unanswered
from app.many.parquet import written_in
from app.many.pictures import Picture
from app.many.results import require_new
from app.many.resume import Written, discard_for
from app.many.rows import Answer, Values, cells_of

SECONDS = 10.0  # between two times that the file is written


class ParquetResults:
    """An open Parquet file, which is replaced in one step, from time to time and at the
    end.

    Raises CannotGoOn if it exists and is not to be resumed, or has other columns.
    """

    def __init__(
        self,
        path: Path,
        kind: Kind,
        fields: Sequence[str],
        least: float,
        is_resumed: bool,
        seconds: float = SECONDS,
    ) -> None:
        require_new(path, is_resumed)
        self.path = path.resolve()
        self.schema = schema_of(kind, fields)
        self.least = least
        self.seconds = seconds
        self.table = self.read()
        self.rows: list[Values] = []  # that are not in the table yet
        self.saved = time.monotonic()

    def read(self) -> pa.Table:
        """Return the rows in the file."""
        if not self.path.exists():
            return self.schema.empty_table()
        try:
            table = pq.read_table(self.path)
        except pa.ArrowInvalid as error:
            raise CannotGoOn(f"{self.path} is no Parquet file.") from error
        if table.column_names != self.schema.names:
            raise CannotGoOn(
                f"{self.path} has other columns than these results: choose another "
                "file."
            )
        return table.cast(self.schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.save()

    def add(self, picture: Picture, outcome: Answer | Unanswered) -> None:
        """Add the row of a picture."""
        values = outcome if isinstance(outcome, Unanswered) else outcome.model_dump()
        self.rows.append(cells_of(picture, values, "", self.least))
        if time.monotonic() - self.saved >= self.seconds:
            self.save()

    def save(self) -> None:
        """Write all rows so far."""
        new = pa.Table.from_pylist(self.rows, self.schema)
        self.table = pa.concat_tables([self.table, new])
        self.rows = []
        if len(self.table):
            unfinished = self.path.with_name(f"{self.path.name}.new")
            pq.write_table(self.table, unfinished, compression="zstd")
            unfinished.replace(self.path)
        self.saved = time.monotonic()

    def resume(self, pictures: Sequence[Picture]) -> dict[tuple[str, int | None], str]:
        """Remove the rows that are out of date, as far as their pictures are asked for;
        return the locations of all others, with the problem that each had, or "".
        """
        discard_for(self, pictures)
        return {row.location: row.problem for row in self.written()}

    def written(self) -> Iterator[Written]:
        """Yield what the rows say of their pictures."""
        return written_in(self.table)

    def discard(self, is_outdated: Callable[[Written], bool]) -> None:
        """Remove the rows that are out of date."""
        self.table = self.table.filter([not is_outdated(row) for row in self.written()])
