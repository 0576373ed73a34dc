"""The worker of `digits bulk`: pictures → rows, whatever the pictures are."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from app.bulk.destination import Destination, Summary
from app.bulk.rows import SCHEMA, error_of
from app.bulk.source import Entry, Files
from app.bulk.storage import place_of
from app.bulk.worker import BATCH, TRIES, Busy, Worker, batches, outcome_of
from app.cli.answers import Unanswered
from app.cli.local import Local
from app.preprocess.errors import attempt
from app.settings import Settings
from app.web import problems
from support import HOSTILE, POINT, drawing, encode, flat, letter, many_scans, number

pytestmark = pytest.mark.slow


def table_of(folder: Path, *pictures: bytes, kind: str = "digit", **settings) -> list[dict]:
    """Read the rows that a worker writes for pictures."""
    (folder / "in").mkdir()
    for index, data in enumerate(pictures):
        (folder / "in" / f"{index:05}.png").write_bytes(data)
    configured = Settings(**settings)
    source, local = Files(place_of(str(folder / "in")), configured.max_upload_bytes), Local(configured, 1)
    networks = local.networks
    model = networks.lines.version if kind == "text" else f"{networks.digits.version}+{networks.lines.version}"
    destination = Destination(place_of(str(folder / "out")), kind, model)
    destination.prepare()
    reader = Worker(source, destination, configured)
    (part,) = source.parts(1000)
    assert asyncio.run(reader.read(part)) == len(part)
    (file,) = destination.place.files()
    assert pq.read_schema(file).equals(SCHEMA)
    rows = pq.read_table(file).to_pylist()
    assert [(row["path"], row["model"]) for row in rows] == [(path, model) for path in part]
    return rows


def errors_of(rows: list[dict]) -> list[str | None]:
    return [row["error"] and row["error"]["type"] for row in rows]


def near(answer: BaseModel) -> dict:
    """Return what an answer has set, with floats that compare to within 1e-6."""
    shown = answer.model_dump_json(exclude_unset=True)
    return json.loads(shown, parse_float=lambda share: pytest.approx(float(share), abs=1e-6))


@pytest.mark.parametrize("kind", ["digit", "text"])
def test_rows_match_the_answers_of_the_service(tmp_path, digits, kind):
    pictures = [encode(image) for image in digits[::20]] + [encode(drawing(image)) for image in digits[::100]]
    pictures[3:3] = [b"", b"no picture", flat(255), flat(255, (1000, 1000)), encode(letter("A")), pictures[0][:80]]
    pictures.append(encode(number([*digits[[350, 120]], POINT, digits[0]], digits[[60, 200]])))
    local = Local(Settings(min_legibility=0.5), 1)
    read = local.predict if kind == "digit" else local.read
    rows = table_of(tmp_path, *pictures, kind=kind, min_legibility=0.5)
    for row, picture in zip(rows, pictures, strict=True):
        answer = attempt(read, picture)
        if isinstance(answer, Unanswered):
            assert row["error"]["detail"] == str(answer)
        else:
            filled = {name: value for name, value in row.items() if value is not None and name != "path"}
            assert set(filled) >= {kind, "confidence", "model"}
            assert {**near(answer), **filled} == near(answer)


def test_each_hostile_picture_has_a_row(tmp_path, seven):
    rows = table_of(tmp_path, *(data for data, _, _ in HOSTILE.values()), many_scans(70_000), encode(seven))
    expected = [problems.TYPES[error].name for _, error, _ in HOSTILE.values()]
    assert errors_of(rows) == [*expected, "too-complex", None]
    assert rows[-1]["digit"] == 7


def test_the_settings_of_the_service_apply(tmp_path, seven):
    pictures = [encode(seven), encode(letter("A")), encode(drawing(seven)), encode(drawing(seven, 20))]
    limits = {"max_upload_bytes": len(pictures[3]) - 1, "max_pixels": 400 * 400, "min_legibility": 0.5}
    rows = table_of(tmp_path, *pictures, **limits)
    assert errors_of(rows) == [None, "not-a-digit", "too-many-pixels", "upload-too-large"]


@pytest.mark.parametrize(
    ("failures", "expected"),
    [([Busy()] * 3, "7"), ([Busy()] * TRIES, "overloaded"), ([RuntimeError("a fault of ours")], "internal-error")],
)
def test_an_error_affects_one_picture_which_is_retried_on_a_busy_machine(failures, expected):
    left = iter(failures)

    async def read(data):
        for failure in left:
            raise failure
        return data.decode()

    outcome = asyncio.run(outcome_of(read, b"7"))
    assert (error_of(outcome)["type"] if isinstance(outcome, Exception) else outcome) == expected


def test_a_batch_is_limited_in_pictures_and_bytes():
    sizes = [1] * BATCH + [1, 1000, 1, 999, 500]
    pictures = [Entry("", None, bytes(size)) for size in sizes] + [Entry("", None, OSError())]
    assert [len(batch) for batch in batches(pictures, 1000)] == [BATCH, 2, 2, 2]


@pytest.fixture
def destination(tmp_path) -> Destination:
    made = Destination(place_of(str(tmp_path / "out")), "digit", "1f0c2a9b7d3e")
    made.prepare()
    return made


def rows_of(paths: str, **cells) -> list[dict]:
    return [{"path": path, "model": "1f0c2a9b7d3e", **cells} for path in paths]


def test_a_part_written_twice_counts_once_and_an_incomplete_file_not_at_all(destination):
    for _ in range(2):
        destination.write(rows_of("ab", digit=1))
    with pytest.raises(pa.ArrowInvalid):
        destination.write(rows_of("c", digit="seven"))
    folder = Path(destination.place.path)
    assert len(list(folder.iterdir())) == 2
    destination.prepare()
    assert destination.paths() == {"a", "b"}
    assert destination.summary() == Summary(2, 0, {})
    destination.tidy()
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(("kind", "files"), [("digit", r"digits\.onnx or .*lines\.onnx"), ("text", r"lines\.onnx")])
def test_another_model_on_a_node_stops_the_job(destination, kind, files):
    with pytest.raises(ValueError, match=rf"^On this node, \S*{files} differs from the model with which the job"):
        Worker(Files(destination.place, 1), replace(destination, kind=kind), Settings())
