"""The worker of `digits bulk`: pictures → rows, whatever the pictures are."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from app.answers import problems
from app.bulk import job
from app.bulk.destination import Destination, Summary
from app.bulk.errors import BulkError
from app.bulk.rows import SCHEMA, error_of
from app.bulk.source import Entry, Files, Table
from app.bulk.storage import place_of
from app.bulk.worker import BATCH, TRIES, Worker, batches, outcome_of
from app.cli.answers import Unanswered
from app.cli.local import Local
from app.picture.errors import attempt
from app.serving.decoders import Busy, Interrupted
from app.serving.reader import Reader
from app.settings import Settings
from app.text.field import Field
from support import (
    ENCRYPTED,
    HOSTILE,
    POINT,
    document,
    drawing,
    encode,
    flat,
    letter,
    many_scans,
    number,
    with_damaged_page,
)

pytestmark = pytest.mark.slow


def table_of(
    folder: Path, *pictures: bytes, kind: str = "digit", **settings
) -> list[dict]:
    """Read the rows that a worker writes for pictures."""
    (folder / "in").mkdir()
    for index, data in enumerate(pictures):
        (folder / "in" / f"{index:05}.png").write_bytes(data)
    configured = Settings(**settings)
    source, local = (
        Files(place_of(str(folder / "in")), configured.max_upload_bytes),
        Local(configured, 1),
    )
    model = local.networks.text_model if kind == "text" else local.networks.digit_model
    destination = Destination(place_of(str(folder / "out")), kind, model)
    destination.prepare()
    reader = Worker(source, destination, configured)
    (part,) = source.parts(1000)
    assert asyncio.run(reader.read(part)) == len(part)
    (file,) = destination.place.files()
    assert pq.read_schema(file).equals(SCHEMA)
    rows = pq.read_table(file).to_pylist()
    assert [(row["path"], row["model"]) for row in rows] == [
        (path, model) for path in part
    ]
    return rows


def errors_of(rows: list[dict]) -> list[str | None]:
    return [row["error"] and row["error"]["type"] for row in rows]


def near(answer: BaseModel) -> dict:
    """Return what an answer has set, with floats that compare to within 1e-6."""
    shown = answer.model_dump_json(exclude_unset=True)
    return json.loads(
        shown, parse_float=lambda share: pytest.approx(float(share), abs=1e-6)
    )


def given(row: dict) -> dict:
    """Return what a row has set, also in its lines."""
    lines = (
        {"lines": [given(line) for line in row["lines"]]} if row.get("lines") else {}
    )
    return {name: value for name, value in (row | lines).items() if value is not None}


@pytest.mark.parametrize("kind", ["digit", "text"])
def test_rows_match_the_answers_of_the_service(tmp_path, digits, kind):
    pictures = [encode(image) for image in digits[::20]] + [
        encode(drawing(image)) for image in digits[::100]
    ]
    pictures[3:3] = [
        b"",
        b"no picture",
        flat(255),
        flat(255, (1000, 1000)),
        encode(letter("A")),
        pictures[0][:80],
    ]
    pictures.append(
        encode(number([*digits[[350, 120]], POINT, digits[0]], digits[[60, 200]]))
    )
    local = Local(Settings(min_legibility=0.5), 1)
    read = local.predict if kind == "digit" else local.read
    rows = table_of(tmp_path, *pictures, kind=kind, min_legibility=0.5)
    for row, picture in zip(rows, pictures, strict=True):
        answer = attempt(read, picture)
        if isinstance(answer, Unanswered):
            assert row["error"]["detail"] == str(answer)
        else:
            filled = {
                name: value for name, value in given(row).items() if name != "path"
            }
            assert set(filled) >= {kind, "confidence", "model"}
            assert {**near(answer), **filled} == near(answer)


def test_each_hostile_picture_has_a_row(tmp_path, seven):
    rows = table_of(
        tmp_path,
        *(data for data, _, _ in HOSTILE.values()),
        many_scans(70_000),
        encode(seven),
    )
    expected = [problems.TYPES[error].name for _, error, _ in HOSTILE.values()]
    assert errors_of(rows) == [*expected, "too-complex", None]
    assert rows[-1]["digit"] == 7


def test_the_settings_of_the_service_apply(tmp_path, seven):
    pictures = [
        encode(seven),
        encode(letter("A")),
        encode(drawing(seven)),
        encode(drawing(seven, 20)),
    ]
    limits = {
        "max_upload_bytes": len(pictures[3]) - 1,
        "max_pixels": 400 * 400,
        "min_legibility": 0.5,
    }
    rows = table_of(tmp_path, *pictures, **limits)
    assert errors_of(rows) == [
        None,
        "not-a-digit",
        "too-many-pixels",
        "upload-too-large",
    ]


@pytest.mark.parametrize(
    ("failures", "expected", "tries"),
    [
        ([Busy()] * 3, "7", 4),
        ([Busy()] * TRIES, "overloaded", TRIES),
        ([Interrupted()], "interrupted", 1),
        ([RuntimeError("a fault of ours")], "internal-error", 1),
    ],
)
def test_an_error_affects_one_picture_which_is_retried_on_a_busy_machine(
    failures, expected, tries
):
    asked, left = [], iter(failures)

    async def read(data):
        asked.append(data)
        for failure in left:
            raise failure
        return data.decode()

    outcome = asyncio.run(outcome_of(read, b"7"))
    assert (
        error_of(outcome)["type"] if isinstance(outcome, Exception) else outcome
    ) == expected
    assert len(asked) == tries


def test_a_batch_is_limited_in_pictures_and_bytes():
    sizes = [1] * BATCH + [1, 1000, 1, 999, 500]
    pictures = [Entry("", None, bytes(size)) for size in sizes] + [
        Entry("", None, OSError())
    ]
    assert [len(batch) for batch in batches(pictures, 1000)] == [BATCH, 2, 2, 2]


@pytest.fixture
def destination(tmp_path) -> Destination:
    made = Destination(place_of(str(tmp_path / "out")), "digit", "1f0c2a9b7d3e")
    made.prepare()
    return made


def rows_of(paths: Iterable[str], **cells) -> list[dict]:
    return [{"path": path, "model": "1f0c2a9b7d3e", **cells} for path in paths]


def test_a_part_written_twice_counts_once_and_an_incomplete_file_not_at_all(
    destination,
):
    for _ in range(2):
        destination.write([*"ab"], rows_of("ab", digit=1))
    with pytest.raises(pa.ArrowInvalid):
        destination.write(["c"], rows_of("c", digit="seven"))
    folder = Path(destination.place.path)
    assert len(list(folder.iterdir())) == 2
    destination.prepare()
    assert destination.paths() == {"a", "b"}
    assert destination.summary() == Summary(2, 0, {})
    destination.tidy()
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("name", ["FOLDER", "mock:///out", "fsspec+memory:///out"])
def test_a_file_is_replaced_by_one_with_more_rows_of_its_part(tmp_path, name):
    destination = Destination(
        place_of(name.replace("FOLDER", str(tmp_path))), "digit", "1f0c2a9b7d3e"
    )
    destination.prepare()
    part = [*"abc"]
    assert destination.rows_of(part) == []
    for count in (1, 2, 3):
        destination.write(part, rows_of(part[:count], digit=7))
        found = destination.rows_of(part)
        assert [(row["path"], row["digit"]) for row in found] == [
            (path, 7) for path in part[:count]
        ]
        assert destination.paths() == {*part[:count]}
        assert destination.summary() == Summary(count, 0, {})
    assert len(destination.place.files()) == 1


def test_a_part_has_a_file_of_its_own_whatever_the_paths_contain(destination):
    parts = [["/a", "/b"], ["/a\n/b"], ["/a\n", "/b"], ['/a", "/b'], ["/a, /b"]]
    for part in parts:
        destination.write(part, rows_of(part))
    assert destination.paths() == {path for part in parts for path in part}
    assert len(destination.place.files()) == len(parts)


def test_results_are_named_as_in_earlier_versions(destination):
    assert destination.prefix == "digit-1f0c2a9b7d3e-"
    others = replace(destination, kind="text", field=Field(characters="+0123456789"))
    assert others.prefix == "text-of-5119a736a12c0374-1f0c2a9b7d3e-"


@dataclass(frozen=True)
class Observed(Files):
    """Files that keep what is asked for, and of which only some can be read before the
    worker is lost.
    """

    asked: list[str] = field(default_factory=list)
    before_loss: int | None = None

    def pictures(self, part: list[str]) -> Iterator[Entry]:
        self.asked.extend(part)
        yield from islice(super().pictures(part), self.before_loss)
        if self.before_loss is not None:
            raise ConnectionAbortedError


@pytest.fixture
def numbers(tmp_path, digits) -> tuple[Path, Destination]:
    """A folder of five drawings of digits, and the destination of their rows."""
    (tmp_path / "in").mkdir()
    for digit in range(5):
        (tmp_path / "in" / f"{digit}.png").write_bytes(
            encode(drawing(digits[50 * digit]))
        )
    networks = Local(Settings(), 1).networks
    destination = Destination(
        place_of(str(tmp_path / "out")), "digit", networks.digit_model
    )
    destination.prepare()
    return tmp_path / "in", destination


def test_what_a_lost_worker_has_read_is_kept_and_its_part_goes_on_from_there(numbers):
    folder, destination = numbers
    one_by_one, place, most = (
        Settings(max_held_bytes=1),
        place_of(str(folder)),
        1_000_000,
    )
    (part,) = Files(place, most).parts(2000)
    for before_loss, kept in ((3, 3), (0, 3), (1, 4), (None, 5)):
        source = Observed(place, most, before_loss=before_loss)
        worker = Worker(source, destination, one_by_one, seconds=0)
        if before_loss is None:
            assert asyncio.run(worker.read(part)) == 5
        else:
            with pytest.raises(ConnectionAbortedError):
                asyncio.run(worker.read(part))
        assert [(row["path"], row["digit"]) for row in destination.rows_of(part)] == [
            (path, digit) for digit, path in enumerate(part[:kept])
        ]
    assert source.asked == part[4:]
    assert destination.summary() == Summary(5, 0, {})
    asyncio.run(worker.read(part))  # whose worker was lost after it had been completed
    assert source.asked == part[4:]
    assert len(destination.place.files()) == 1


def test_rows_are_written_only_after_some_time(numbers):
    folder, destination = numbers
    source = Observed(place_of(str(folder)), 1_000_000, before_loss=3)
    (part,) = source.parts(2000)
    with pytest.raises(ConnectionAbortedError):
        asyncio.run(
            Worker(source, destination, Settings(max_held_bytes=1), seconds=3600).read(
                part
            )
        )
    assert destination.paths() == set()


def test_a_picture_has_no_row_if_a_fault_of_the_machine_kept_it_from_being_read(
    numbers, caplog, monkeypatch
):
    folder, destination = numbers
    (folder / "4.png").write_bytes(b"no picture")
    source = Files(place_of(str(folder)), 1_000_000)
    (part,) = source.parts(2000)
    worker = Worker(source, destination, Settings())
    faults = {
        part[1]: RuntimeError("a fault of ours"),
        part[2]: RuntimeError("once more"),
        part[3]: Interrupted(),
    }
    failing = {Path(path).read_bytes(): error for path, error in faults.items()}
    read_large = worker.reader.read_large

    async def read(data, page):
        if data in failing:
            raise failing[data]
        return await read_large(data)

    monkeypatch.setattr(worker.reader, "read_large", read)
    assert asyncio.run(worker.read(part)) == 5
    assert errors_of(destination.rows_of(part)) == [None, "not-an-image"]
    assert [record.message for record in caplog.records] == [
        f"{part[1]} could not be read."
    ]
    assert "RuntimeError: a fault of ours" in caplog.text
    assert job.parts_left([part], destination) == [part[1:4]]
    monkeypatch.undo()
    (left,) = job.parts_left([part], destination)
    assert asyncio.run(worker.read(left)) == 3
    assert job.parts_left([part], destination) == []
    assert destination.summary() == Summary(5, 0, {"not-an-image": 1})


def test_a_part_of_which_nothing_can_be_read_leaves_no_file(numbers, monkeypatch):
    folder, destination = numbers
    source = Files(place_of(str(folder)), 1_000_000)
    (part,) = source.parts(2000)
    worker = Worker(source, destination, Settings())

    async def read(data, page):
        raise Interrupted

    monkeypatch.setattr(worker.reader, "read_large", read)
    assert asyncio.run(worker.read(part)) == 5
    assert destination.place.files() == []


@pytest.fixture
def documents(tmp_path, digits) -> tuple[Path, Destination]:
    """A folder of a picture and of documents, one of which has a damaged page, and the
    destination of their texts.
    """
    (tmp_path / "in").mkdir()
    number_72, number_1 = number(digits[[350, 120]]), number(digits[[50]])
    files = {
        "a.pdf": document([number_72, number_1] * 3),
        "b.tif": with_damaged_page(document([number_72] * 3, "TIFF")),
        "c.png": encode(number_1),
        "d.pdf": document([number_72]),
        "e.pdf": ENCRYPTED,
    }
    for name, data in files.items():
        (tmp_path / "in" / name).write_bytes(data)
    destination = Destination(
        place_of(str(tmp_path / "out")),
        "text",
        Local(Settings(), 1).networks.text_model,
    )
    destination.prepare()
    return tmp_path / "in", destination


OF_DOCUMENTS = [
    *(("a.pdf", page, 6, "72" if page % 2 else "1", None) for page in range(1, 7)),
    ("b.tif", 1, 3, "72", None),
    ("b.tif", 2, 3, None, "corrupt-image"),
    ("b.tif", 3, 3, "72", None),
    ("c.png", None, None, "1", None),
    ("d.pdf", None, None, "72", None),
    ("e.pdf", None, None, None, "not-an-image"),
]


def shown(destination: Destination) -> list[tuple]:
    """Return what the rows say, in the order of the files and pages."""
    rows = [
        row
        for path in destination.place.files()
        for row in pq.read_table(path).to_pylist()
    ]
    found = [
        (
            Path(row["path"]).name,
            row["page"],
            row["pages"],
            row["text"],
            row["error"] and row["error"]["type"],
        )
        for row in rows
    ]
    return sorted(found, key=lambda row: (row[0], row[1] or 0))


def test_each_page_of_a_document_has_a_row(documents):
    folder, destination = documents
    source = Files(place_of(str(folder)), 1_000_000)
    (part,) = source.parts(2000)
    assert asyncio.run(Worker(source, destination, Settings()).read(part)) == 5
    assert shown(destination) == OF_DOCUMENTS
    assert job.parts_left([part], destination) == []


def test_pages_that_have_no_row_yet_are_read_by_the_next_job(documents, monkeypatch):
    """The first job can read 2 pages, the second 2 more; the parts of the second are
    others.
    """
    folder, destination = documents
    source, asked = Files(place_of(str(folder)), 1_000_000), []
    parts, read_text = list(source.parts(2000)), Reader.read_text

    async def read(self, data, page, field):
        asked.append(page)
        if len(asked) > 2:
            raise Interrupted
        return await read_text(self, data, page=page)

    for job_number in (1, 2):
        asked.clear()
        monkeypatch.setattr(Reader, "read_text", read)
        (part,) = job.parts_left(parts, destination)
        asyncio.run(Worker(source, destination, Settings()).read(part))
        assert [row[:2] for row in shown(destination) if row[1]] == [
            row[:2] for row in OF_DOCUMENTS[: 2 * job_number]
        ]
        assert asked[:2] == [2 * job_number - 1, 2 * job_number]
        (folder / "z.png").write_bytes((folder / "c.png").read_bytes())  # a new picture
        parts = list(source.parts(2000))
    monkeypatch.undo()
    (part,) = job.parts_left(parts, destination)
    asyncio.run(Worker(source, destination, Settings()).read(part))
    assert shown(destination) == [*OF_DOCUMENTS, ("z.png", None, None, "1", None)]
    assert job.parts_left(parts, destination) == []


def test_a_document_whose_worker_was_lost_goes_on_with_its_next_page(
    documents, monkeypatch
):
    folder, destination = documents
    source, read_text = Files(place_of(str(folder)), 1_000_000), Reader.read_text
    (part,) = source.parts(2000)
    worker = Worker(source, destination, Settings(), seconds=0)

    async def read(self, data, page, field):
        if page == 4:
            raise SystemExit
        return await read_text(self, data, page=page)

    monkeypatch.setattr(Reader, "read_text", read)
    with pytest.raises(SystemExit):
        asyncio.run(worker.read(part))
    monkeypatch.undo()
    assert destination.pages() == {part[0]: {1, 2, 3}}
    for again in (worker, Worker(source, destination, Settings())):
        asyncio.run(again.read(part))
        assert shown(destination) == OF_DOCUMENTS


def test_results_of_an_earlier_version_without_pages_are_added_to(documents):
    folder, destination = documents
    source = Files(place_of(str(folder)), 1_000_000)
    (part,) = source.parts(2000)
    columns = [field for field in SCHEMA if field.name not in ("page", "pages")]
    old = [
        {"path": path, "model": destination.model, "text": "5"} for path in part[2:4]
    ]
    pq.write_table(
        pa.Table.from_pylist(old, pa.schema(columns)),
        f"{destination.place.path}/{destination.prefix}old.parquet",
    )
    (left,) = job.parts_left([part], destination)
    assert left == [path for path in part if path not in part[2:4]]
    asyncio.run(Worker(source, destination, Settings()).read(left))
    assert destination.summary() == Summary(
        12, 0, {"corrupt-image": 1, "not-an-image": 1}
    )
    assert job.parts_left([part], destination) == []


def test_documents_in_a_table_have_a_row_for_each_page(documents, tmp_path):
    folder, destination = documents
    files = sorted(folder.iterdir())
    table = pa.table(
        {
            "file": [path.read_bytes() for path in files],
            "id": [path.stem for path in files],
        }
    )
    pq.write_table(table, tmp_path / "all.parquet")
    source = Table(place_of(str(tmp_path / "all.parquet")), 1_000_000, "file", "id")
    (part,) = source.parts(2000)
    asyncio.run(Worker(source, destination, Settings()).read(part))
    (file,) = destination.place.files()
    rows = pq.read_table(file).to_pylist()
    assert [(row["key"], row["page"], row["text"]) for row in rows] == [
        (name[0], page, text) for name, page, _, text, _ in OF_DOCUMENTS
    ]


@pytest.mark.parametrize(
    ("kind", "settings", "files"),
    [
        ("digit", {}, r"lines\.onnx or \S*digits\.onnx"),
        ("text", {}, r"lines\.onnx or \S*pages\.onnx"),
        ("text", {"pages_model": None}, r"lines\.onnx"),
    ],
)
def test_another_model_on_a_node_stops_the_job(destination, kind, settings, files):
    message = rf"^On this node, \S*{files} differs from the model with which the job"
    given = (
        Files(destination.place, 1),
        replace(destination, kind=kind),
        Settings(**settings),
    )
    with pytest.raises(BulkError, match=message):
        Worker(*given)
    with pytest.raises(BulkError, match=message):
        list(job.run([["7.png"]], *given, 1))
