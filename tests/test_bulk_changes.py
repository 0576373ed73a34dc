"""Which rows of `digits bulk` go, so that their pictures are read again."""

from contextlib import suppress
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from app.answers.arrow import SCHEMA
from app.many.parquet import Destination
from app.many.pictures import UNKNOWN, State
from app.many.sources import Files, Part, Source, Table
from app.many.storage import place_of
from app.many.worker import Job
from app.settings import Settings

MODEL = "1f0c2a9b7d3e"
OLD = State(100, 1_700_000_000_123_456)
NEW = State(100, 1_700_000_000_123_457)
LARGER = State(101, OLD.modified)


class Killed(BaseException):
    """The process ends."""


@pytest.fixture
def destination(tmp_path) -> Destination:
    made = Destination(place_of(str(tmp_path / "out")), "text", MODEL)
    made.prepare()
    return made


@pytest.fixture
def source(tmp_path) -> Files:
    return Files(place_of(str(tmp_path / "in")), 1000)


def row_of(path: str, state: State = OLD, error: str | None = None, **cells) -> dict:
    found = {"path": path, "model": MODEL, **state._asdict(), **cells}
    return found | ({"error": {"type": error, "detail": ""}} if error else {})


def job_of(source: Source, destination: Destination) -> Job:
    return Job(source, destination, Settings())


def written(destination: Destination, *rows: dict) -> None:
    """Write a file of rows, as of a part of their own."""
    part = {row["path"]: OLD for row in rows}
    destination.write(part, list(rows))


def left(destination: Destination) -> list[tuple[str, int | None]]:
    """Return the path and page of each row."""
    return sorted((row.path, row.page or 0) for row in destination.written())


@pytest.mark.parametrize(
    ("error", "before", "now", "is_kept"),
    [
        (None, OLD, OLD, True),
        (None, OLD, NEW, False),
        (None, OLD, LARGER, False),
        (None, UNKNOWN, NEW, True),  # a row of an earlier version
        (None, OLD, UNKNOWN, True),  # a file that cannot be reached at present
        (None, State(100), State(100), True),  # storage that knows no times
        (None, State(100), State(101), False),
        ("not-an-image", OLD, OLD, True),
        ("not-an-image", UNKNOWN, NEW, True),
        ("corrupt-image", OLD, LARGER, False),
        ("empty-file", OLD, NEW, False),
        ("unreadable-file", OLD, OLD, False),
        ("unreadable-file", UNKNOWN, UNKNOWN, False),
        ("internal-error", UNKNOWN, OLD, False),
    ],
)
def test_a_row_goes_if_its_file_has_changed_or_its_error_is_of_the_moment(
    destination, source, error, before, now, is_kept
):
    written(destination, row_of("/a.png", before, error))
    part = {"/a.png": now}
    job_of(source, destination).discard_outdated([part])
    assert left(destination) == ([("/a.png", 0)] if is_kept else [])
    assert job_of(source, destination).parts_left([part]) == ([] if is_kept else [part])


def test_all_rows_of_a_changed_document_go_and_no_other(destination, source):
    pages = [row_of("/a.pdf", page=page, pages=3) for page in (1, 2, 3)]
    of_old = row_of("/a.pdf", UNKNOWN, page=4, pages=4)
    kept = row_of("/b.png", text="7", table=[["7", ""]], turn=90)
    written(destination, pages[0], kept)
    written(destination, *pages[1:], of_old)
    part = {"/a.pdf": NEW, "/b.png": OLD}
    job_of(source, destination).discard_outdated([part])
    (file,) = destination.place.files()
    (row,) = pq.read_table(file).to_pylist()
    assert pq.read_schema(file).equals(SCHEMA)
    modified = datetime.fromtimestamp(OLD.modified // 1_000_000, UTC)
    modified = modified.replace(microsecond=123_456)
    expected = dict.fromkeys(SCHEMA.names) | kept | {"modified": modified}
    assert row == expected
    assert job_of(source, destination).parts_left([part]) == [{"/a.pdf": NEW}]


def test_pages_that_were_read_stay_if_the_document_could_then_not_be_opened(
    destination, source
):
    read = row_of("/a.pdf", page=1, pages=2)
    written(destination, read, row_of("/a.pdf", error="unreadable-file"))
    part = {"/a.pdf": OLD}
    assert job_of(source, destination).parts_left([part]) == []
    job_of(source, destination).discard_outdated([part])
    assert left(destination) == [("/a.pdf", 1)]
    assert job_of(source, destination).parts_left([part]) == [part]


def test_of_files_that_are_gone_only_rows_with_an_error_go(destination, source):
    """Those of another SOURCE stay."""
    folder = source.place.path
    written(
        destination,
        row_of(f"{folder}/a.png"),
        row_of(f"{folder}/half-written.png", error="corrupt-image"),
        row_of("/another/b.png", error="unreadable-file"),
    )
    job_of(source, destination).discard_outdated([{f"{folder}/c.png": OLD}])
    assert left(destination) == [("/another/b.png", 0), (f"{folder}/a.png", 0)]


def test_all_rows_of_a_changed_table_go_also_those_that_it_no_longer_has(
    destination, tmp_path
):
    for name in "ab":
        pictures = pa.table({"plain": [b"7"] * 3})
        pq.write_table(pictures, tmp_path / f"{name}.parquet")
    source = Table(place_of(f"{tmp_path}/*.parquet"), 1000, "plain", None)
    for part in source.parts(10):
        rows = [row_of(path, state) for path, state in part.items()]
        written(destination, *rows)
    pq.write_table(pictures[:2], tmp_path / "a.parquet")
    parts = list(source.parts(10))
    job_of(source, destination).discard_outdated(parts)
    of_b = [(f"{tmp_path}/b.parquet#{row}", 0) for row in range(3)]
    assert left(destination) == of_b
    of_a = [f"{tmp_path}/a.parquet#{row}" for row in range(2)]
    assert list(map(list, job_of(source, destination).parts_left(parts))) == [of_a]


def completed(parts: list[Part], source: Source, destination: Destination) -> None:
    """Read what a job would read."""
    job_of(source, destination).discard_outdated(parts)
    for part in job_of(source, destination).parts_left(parts):
        rows = [row_of(path, state, text="new") for path, state in part.items()]
        destination.write(part, destination.table_of(part).to_pylist() + rows)
    assert job_of(source, destination).parts_left(parts) == []


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", range(5))
def test_a_job_killed_while_it_removes_rows_loses_and_doubles_none(
    source, monkeypatch, moment, step
):
    """One file loses a row, two lose all. As in object storage, to move a file is to
    copy and to remove it.
    """
    destination = Destination(place_of("fsspec+memory:///changes"), "text", MODEL)
    destination.prepare()
    parts = [dict.fromkeys(paths, OLD) for paths in (("/a", "/b"), ("/c",), ("/d",))]
    for part in parts:
        written(destination, *(row_of(path, text="old") for path in part))
    parts = [{path: OLD if path == "/a" else NEW for path in part} for part in parts]
    steps = []

    def mortal(work):
        def killed(system, *given, **options):
            steps.append(work)
            if len(steps) > step and moment == "before":
                raise Killed
            result = work(system, *given, **options)
            if len(steps) > step:
                raise Killed
            return result

        return killed

    with monkeypatch.context() as patched:
        for name in ("cp_file", "rm"):
            work = getattr(MemoryFileSystem, name)
            patched.setattr(MemoryFileSystem, name, mortal(work))
        with suppress(Killed):
            job_of(source, destination).discard_outdated(parts)
    completed(parts, source, destination)
    destination.tidy()
    rows = [
        (row["path"], row["text"])
        for file in destination.place.files()
        for row in destination.table_in(file).to_pylist()
    ]
    destination.place.filesystem.delete_dir(destination.place.path)
    assert sorted(rows) == [("/a", "old"), ("/b", "new"), ("/c", "new"), ("/d", "new")]
    assert len(steps) == min(step + 1, 4)
