"""The worker of `digits bulk`: pictures → rows, whatever the pictures are."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from io import StringIO
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from app.answers import problems
from app.answers.arrow import SCHEMA
from app.many import processes
from app.many.errors import CannotGoOn, Unanswered
from app.many.local import Local
from app.many.parquet import Destination, Summary
from app.many.pictures import UNKNOWN, Picture
from app.many.sources import Files, Part, Source
from app.many.storage import place_of
from app.many.worker import BATCH, TRIES, Job, Worker, batches
from app.serving.decoders import Busy, Interrupted
from app.serving.networks import Networks
from app.serving.reader import Reader
from app.settings import Settings
from app.text.field import Field
from hostile import HOSTILE, many_scans
from pdfs import ENCRYPTED
from pictures import (
    POINT,
    document,
    drawing,
    encode,
    flat,
    letter,
    number,
    with_damaged_page,
)

pytestmark = pytest.mark.slow

MAX_BYTES = 20_000_000


def files_in(folder: Path, pictures: dict[str, bytes]) -> Files:
    """Write pictures into a folder; return it as a source."""
    folder.mkdir()
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
    return Files(place_of(str(folder)), MAX_BYTES)


def destination_in(folder: Path, kind: str) -> Destination:
    """Return a folder for the results of the usual models."""
    networks = Networks.load(*Settings().files)
    model = networks.digit_model if kind == "digit" else networks.text_model
    destination = Destination(place_of(str(folder)), kind, model)
    destination.prepare()
    return destination


def only_part(source: Source) -> Part:
    (part,) = source.parts(2000)
    return part


def read(source: Source, destination: Destination, part: Part, **settings) -> None:
    """Read a part with a new worker."""
    worker = Worker(Job(source, destination, Settings(**settings)))
    assert asyncio.run(worker.read(part)) == len(part)


def table_of(
    folder: Path, *pictures: bytes, kind: str = "digit", **settings
) -> list[dict]:
    """Read the rows that a worker writes for pictures."""
    named = {f"{index:05}.png": data for index, data in enumerate(pictures)}
    most = settings.get("max_upload_bytes", MAX_BYTES)
    source = replace(files_in(folder / "in", named), max_bytes=most)
    destination = destination_in(folder / "out", kind)
    part = only_part(source)
    read(source, destination, part, **settings)
    (file,) = destination.place.files()
    assert pq.read_schema(file).equals(SCHEMA)
    rows = pq.read_table(file).to_pylist()
    assert [row["path"] for row in rows] == [*part]
    assert {row["model"] for row in rows} == {destination.model}
    return rows


def errors_of(rows: list[dict]) -> list[str | None]:
    return [row["error"] and row["error"]["type"] for row in rows]


def near(answer: BaseModel) -> dict:
    """Return what an answer has set, with floats that compare to within 1e-6."""
    shown = answer.model_dump_json()
    return json.loads(
        shown, parse_float=lambda share: pytest.approx(float(share), abs=1e-6)
    )


def given(row: dict) -> dict:
    """Return what a row has set, also in its lines."""
    found = {name: value for name, value in row.items() if value is not None}
    if row.get("lines"):
        found["lines"] = [given(line) for line in row["lines"]]
    return found


@pytest.mark.parametrize("kind", ["digit", "text"])
def test_rows_match_the_answers_of_the_service(tmp_path, digits, kind):
    pictures = [encode(image) for image in digits[::20]]
    pictures += [encode(drawing(image)) for image in digits[::100]]
    two_lines = number([*digits[[350, 120]], POINT, digits[0]], digits[[60, 200]])
    pictures += [b"", b"no picture", flat(255), flat(255, (1000, 1000))]
    pictures += [encode(letter("A")), pictures[0][:80], encode(two_lines)]
    local = Local(Settings(min_legibility=0.5), 1)
    asked = [Picture(str(place), data=data) for place, data in enumerate(pictures)]
    answers = (local.digits if kind == "digit" else local.texts)(asked)
    rows = table_of(tmp_path, *pictures, kind=kind, min_legibility=0.5)
    for row, answer in zip(rows, answers, strict=True):
        if isinstance(answer, Unanswered):
            assert row["error"]["detail"] == str(answer)
        else:
            filled = given(row)
            for name in ("path", "size", "modified"):
                del filled[name]
            assert set(filled) >= {kind, "confidence", "model"}
            assert {**near(answer), **filled} == near(answer)


def test_each_hostile_picture_has_a_row(tmp_path, seven):
    hostile = [data for data, _, _ in HOSTILE.values()]
    rows = table_of(tmp_path, *hostile, many_scans(70_000), encode(seven))
    expected = [problems.TYPES[error].name for _, error, _ in HOSTILE.values()]
    assert errors_of(rows) == [*expected, "too-complex", None]
    assert rows[-1]["digit"] == 7


def test_the_settings_of_the_service_apply(tmp_path, seven):
    images = seven, letter("A"), drawing(seven), drawing(seven, 20)
    pictures = [encode(image) for image in images]
    rows = table_of(
        tmp_path,
        *pictures,
        max_upload_bytes=len(pictures[3]) - 1,
        max_pixels=400 * 400,
        min_legibility=0.5,
    )
    expected = "not-a-digit", "too-many-pixels", "upload-too-large"
    assert errors_of(rows) == [None, *expected]


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
    numbers, failures, expected, tries
):
    asked = []
    left = iter(failures)

    async def read(data, page):
        asked.append(page)
        for failure in left:
            raise failure
        return data.decode()

    worker = Worker(Job(*numbers, Settings()))
    picture = Picture("7.png", 2, 3, data=b"7")
    outcome = asyncio.run(worker.outcome_of(read, picture))
    assert getattr(outcome, "problem", outcome) == expected
    assert asked == [2] * tries


def test_a_batch_is_limited_in_pictures_and_bytes():
    sizes = [1] * BATCH + [1, 1000, 1, 999, 500]
    pictures = [Picture("", data=bytes(size)) for size in sizes]
    pictures.append(Picture("", data=Unanswered("", "unreadable-file")))
    assert [len(batch) for batch in batches(pictures, 1000)] == [BATCH, 2, 2, 2]


@pytest.fixture
def destination(tmp_path) -> Destination:
    made = Destination(place_of(str(tmp_path / "out")), "digit", "1f0c2a9b7d3e")
    made.prepare()
    return made


def part_of(paths: Iterable[str]) -> Part:
    return dict.fromkeys(paths, UNKNOWN)


def rows_of(paths: Iterable[str], **cells) -> list[dict]:
    return [{"path": path, "model": "1f0c2a9b7d3e", **cells} for path in paths]


def test_a_part_written_twice_counts_once_and_an_incomplete_file_not_at_all(
    destination,
):
    for _ in range(2):
        destination.write(part_of("ab"), rows_of("ab", digit=1))
    folder = Path(destination.place.path)
    (written,) = folder.iterdir()
    # As of a worker that is killed while it writes.
    (folder / f".{destination.prefix}0").write_bytes(written.read_bytes()[:100])
    with pytest.raises(pa.ArrowInvalid):
        destination.write(part_of("c"), rows_of("c", digit="seven"))
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
    part = part_of("abc")
    assert destination.table_of(part).to_pylist() == []
    for count in (1, 2, 3):
        paths = "abc"[:count]
        destination.write(part, rows_of(paths, digit=7))
        found = destination.table_of(part).to_pylist()
        assert [row["path"] for row in found] == [*paths]
        assert {row["digit"] for row in found} == {7}
        assert destination.paths() == {*paths}
        assert destination.summary() == Summary(count, 0, {})
    assert len(destination.place.files()) == 1


def test_a_part_has_a_file_of_its_own_whatever_the_paths_contain(destination):
    parts = [["/a", "/b"], ["/a\n/b"], ["/a\n", "/b"], ['/a", "/b'], ["/a, /b"]]
    for part in parts:
        destination.write(part_of(part), rows_of(part))
    assert destination.paths() == {path for part in parts for path in part}
    assert len(destination.place.files()) == len(parts)


def test_results_are_named_as_in_earlier_versions(destination):
    assert destination.prefix == "digit-1f0c2a9b7d3e-"
    others = replace(destination, kind="text", field=Field(characters="+0123456789"))
    assert others.prefix == "text-of-5119a736a12c0374-1f0c2a9b7d3e-"


def test_results_of_another_field_have_another_name(destination):
    fields = [
        {},
        {"values": "1\n2"},
        {"values": "12"},
        {"min": 1},
        {"max": 1},
        {"digits": 0},
        {"check": "luhn"},
    ]
    names = {replace(destination, field=Field(**known)).prefix for known in fields}
    assert len(names) == len(fields)
    one, other = (Field(values=values) for values in ("1\n2", "2\r\n\n1\n"))
    assert (
        replace(destination, field=one).prefix
        == replace(destination, field=other).prefix
    )


@dataclass(frozen=True)
class Observed(Files):
    """Files that keep what is asked for, and of which only some can be read before the
    worker is lost.
    """

    asked: list[str] = field(default_factory=list)
    before_loss: int | None = None

    def pictures(self, part: Part) -> Iterator[Picture]:
        self.asked.extend(part)
        yield from islice(super().pictures(part), self.before_loss)
        if self.before_loss is not None:
            raise ConnectionAbortedError


@pytest.fixture
def numbers(tmp_path, digits) -> tuple[Files, Destination]:
    """Five drawings of digits, and the destination of their rows."""
    drawings = {f"{each}.png": encode(drawing(digits[50 * each])) for each in range(5)}
    source = files_in(tmp_path / "in", drawings)
    return source, destination_in(tmp_path / "out", "digit")


class Killed(BaseException):
    """The process ends."""


class Failing(Reader):
    """A reader that first checks a picture and its page, which may raise."""

    def __init__(
        self, reader: Reader, check: Callable[[bytes, int | None], None]
    ) -> None:
        super().__init__(reader.networks, reader.decoders)
        self.check = check

    async def read_large(self, data, options):
        self.check(data, options.page)
        return await super().read_large(data, options)

    async def read_text(self, data, options):
        self.check(data, options.page)
        return await super().read_text(data, options)


def test_what_a_lost_worker_has_read_is_kept_and_its_part_goes_on_from_there(numbers):
    files, destination = numbers
    one_by_one = Settings(max_held_bytes=1)
    part = only_part(files)
    paths = [*part]
    for before_loss, kept in ((3, 3), (0, 3), (1, 4), (None, 5)):
        source = Observed(files.place, MAX_BYTES, before_loss=before_loss)
        worker = Worker(Job(source, destination, one_by_one), seconds=0)
        if before_loss is None:
            assert asyncio.run(worker.read(part)) == 5
        else:
            with pytest.raises(ConnectionAbortedError):
                asyncio.run(worker.read(part))
        rows = destination.table_of(part).to_pylist()
        found = [(row["path"], row["digit"]) for row in rows]
        assert found == [(path, digit) for digit, path in enumerate(paths[:kept])]
    assert source.asked == paths[4:]
    assert destination.summary() == Summary(5, 0, {})
    asyncio.run(worker.read(part))  # as if it had been lost after the last picture
    assert source.asked == paths[4:]
    assert len(destination.place.files()) == 1


def test_a_picture_has_no_row_if_a_fault_of_the_machine_kept_it_from_being_read(
    numbers, caplog
):
    source, destination = numbers
    part = only_part(source)
    paths = [*part]
    Path(paths[4]).write_bytes(b"no picture")
    failures = [
        RuntimeError("a fault of ours"),
        RuntimeError("once more"),
        Interrupted(),
    ]
    pictures = [Path(path).read_bytes() for path in paths[1:4]]
    failing = dict(zip(pictures, failures, strict=True))

    def check(data, page):
        if data in failing:
            raise failing[data]

    worker = Worker(Job(source, destination, Settings()))
    worker.reader = Failing(worker.reader, check)
    assert asyncio.run(worker.read(part)) == 5
    assert errors_of(destination.table_of(part).to_pylist()) == [None, "not-an-image"]
    said = [record.message for record in caplog.records]
    assert said == [f"{paths[1]} could not be read."]
    assert "RuntimeError: a fault of ours" in caplog.text
    (left,) = Job(source, destination, Settings()).parts_left([part])
    assert [*left] == paths[1:4]
    failing.clear()
    assert asyncio.run(worker.read(left)) == 3
    assert Job(source, destination, Settings()).parts_left([part]) == []
    assert destination.summary() == Summary(5, 0, {"not-an-image": 1})


@pytest.fixture
def documents(tmp_path, digits) -> tuple[Files, Destination]:
    """A picture and documents, one of which has a damaged page, and the destination of
    their texts.
    """
    number_72 = number(digits[[350, 120]])
    number_1 = number(digits[[50]])
    files = {
        "a.pdf": document([number_72, number_1] * 3),
        "b.tif": with_damaged_page(document([number_72] * 3, "TIFF")),
        "c.png": encode(number_1),
        "d.pdf": document([number_72]),
        "e.pdf": ENCRYPTED,
    }
    source = files_in(tmp_path / "in", files)
    return source, destination_in(tmp_path / "out", "text")


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
    found = []
    for path in destination.place.files():
        for row in pq.read_table(path).to_pylist():
            name = Path(row["path"]).name
            (error,) = errors_of([row])
            found.append((name, row["page"], row["pages"], row["text"], error))
    return sorted(found, key=lambda row: (row[0], row[1] or 0))


def test_each_page_of_a_document_has_a_row(documents):
    source, destination = documents
    part = only_part(source)
    read(source, destination, part)
    assert shown(destination) == OF_DOCUMENTS
    assert Job(source, destination, Settings()).parts_left([part]) == []


def test_pages_that_have_no_row_yet_are_read_by_the_next_job(documents):
    """The first job can read 2 pages, the second 2 more; the parts of the second are
    others.
    """
    source, destination = documents
    folder = Path(source.place.path)

    def check(data, page):
        asked.append(page)
        if len(asked) > 2:
            raise Interrupted

    for job_number in (1, 2):
        asked = []
        (part,) = Job(source, destination, Settings()).parts_left([only_part(source)])
        worker = Worker(Job(source, destination, Settings()))
        worker.reader = Failing(worker.reader, check)
        asyncio.run(worker.read(part))
        pages = [row[:2] for row in shown(destination) if row[1]]
        assert pages == [row[:2] for row in OF_DOCUMENTS[: 2 * job_number]]
        assert asked[:2] == [2 * job_number - 1, 2 * job_number]
        (folder / "z.png").write_bytes((folder / "c.png").read_bytes())  # a new picture
    whole = only_part(source)
    (part,) = Job(source, destination, Settings()).parts_left([whole])
    read(source, destination, part)
    assert shown(destination) == [*OF_DOCUMENTS, ("z.png", None, None, "1", None)]
    assert Job(source, destination, Settings()).parts_left([whole]) == []


def test_a_document_whose_worker_was_lost_goes_on_with_its_next_page(documents):
    source, destination = documents
    part = only_part(source)

    def check(data, page):
        if page in lost:
            raise Killed

    lost = {4}
    worker = Worker(Job(source, destination, Settings()), seconds=0)
    worker.reader = Failing(worker.reader, check)
    with pytest.raises(Killed):
        asyncio.run(worker.read(part))
    assert destination.pages() == {next(iter(part)): {1, 2, 3}}
    lost.clear()
    for again in (worker, Worker(Job(source, destination, Settings()))):
        asyncio.run(again.read(part))
        assert shown(destination) == OF_DOCUMENTS


def test_results_of_an_earlier_version_with_fewer_columns_are_added_to(documents):
    source, destination = documents
    part = only_part(source)
    paths = [*part]
    of_old = {"model": destination.model, "text": "", "confidence": 0.9, "lines": []}
    columns = [SCHEMA.field(name) for name in ("path", *of_old)]
    rows = [{"path": path, **of_old} for path in paths[2:4]]
    pq.write_table(
        pa.Table.from_pylist(rows, pa.schema(columns)),
        f"{destination.place.path}/{destination.prefix}old.parquet",
    )
    (left,) = Job(source, destination, Settings()).parts_left([part])
    assert [*left] == [*paths[:2], paths[4]]
    read(source, destination, left)
    Job(source, destination, Settings()).discard_outdated([part])
    errors = {"corrupt-image": 1, "not-an-image": 1}
    assert destination.summary() == Summary(12, 0, errors)
    assert Job(source, destination, Settings()).parts_left([part]) == []
    table = StringIO()
    destination.write_csv(table, least=0, for_spreadsheet=False)
    assert len(table.getvalue().splitlines()) == 1 + 12


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
    source = Files(destination.place, 1)
    given = source, replace(destination, kind=kind), Settings(**settings)
    with pytest.raises(CannotGoOn, match=message):
        Worker(Job(*given))
    with pytest.raises(CannotGoOn, match=message):
        list(processes.run(Job(*given), [part_of(["7.png"])], 1))
