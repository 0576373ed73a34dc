"""The worker of `digits bulk`: pictures → rows, whatever the pictures are."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.bulk import worker
from app.bulk.destination import Destination, Summary
from app.bulk.errors import BulkError
from app.bulk.rows import SCHEMA
from app.bulk.source import Entry, Files
from app.bulk.storage import place_of
from app.bulk.worker import Worker, batches
from app.cli.answers import Unanswered
from app.cli.local import Local
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
    source = Files(place_of(str(folder / "in")), configured.max_upload_bytes)
    local = Local(configured, 1)
    model = local.classifier if kind == "digit" else local.lines
    destination = Destination(place_of(str(folder / "out")), kind, model.version)
    destination.prepare()
    reader = Worker(source, destination, configured)
    try:
        for part in source.parts(1000):
            assert asyncio.run(reader.read(part)) == len(part)
    finally:
        reader.reader.close()
    (file,) = destination.place.files()
    assert pq.read_schema(file).equals(SCHEMA)
    return pq.read_table(file).to_pylist()


def answer_of(ask, data: bytes) -> dict:
    """Return what `digits predict --local` or `digits read --local` prints for a picture."""
    try:
        return ask(data).model_dump(exclude_unset=True)
    except Unanswered as error:
        return {"error": str(error)}


def said(row: dict) -> dict:
    """Return a row's filled columns; for an error, only its detail."""
    cells = {name: value for name, value in row.items() if value is not None and name != "path"}
    if "error" in cells:
        return {"error": cells["error"]["detail"]}
    return cells


def near(expected):
    """Compare floats to within 1e-6, however deeply they are nested."""
    if isinstance(expected, dict):
        return {name: near(value) for name, value in expected.items()}
    if isinstance(expected, list):
        return [near(value) for value in expected]
    return pytest.approx(expected, abs=1e-6) if isinstance(expected, float) else expected


def test_rows_match_the_predictions_of_the_service(tmp_path, digits):
    pictures = [encode(image) for image in digits[::20]] + [encode(drawing(image)) for image in digits[::100]]
    pictures[3:3] = [b"", b"no picture", flat(255), flat(255, (1000, 1000)), encode(letter("A")), pictures[0][:80]]
    local = Local(Settings(), 1)
    rows = table_of(tmp_path, *pictures)
    assert [row["path"] for row in rows] == [f"{tmp_path}/in/{index:05}.png" for index in range(len(pictures))]
    assert [said(row) for row in rows] == [near(answer_of(local.predict, data)) for data in pictures]
    assert {row["model"] for row in rows} == {local.classifier.version}


def test_rows_match_the_texts_of_the_service(tmp_path, digits):
    signs = [*digits[[350, 120]], POINT, digits[0]]
    pictures = [encode(number(signs, digits[[60, 200]])), encode(digits[350]), flat(255), b"no picture"]
    rows = table_of(tmp_path, *pictures, kind="text")
    local = Local(Settings(), 1)
    assert [said(row) for row in rows] == [near(answer_of(local.read, data)) for data in pictures]
    assert [row["text"] for row in rows] == ["72.0\n14", "7", "", None]
    assert [mark["mark"] for mark in rows[0]["lines"][0]["marks"]] == ["."]
    assert {row["digit"] for row in rows} == {None}
    assert {row["model"] for row in rows} == {local.lines.version}


def test_each_hostile_picture_has_a_row(tmp_path, seven):
    rows = table_of(tmp_path, *(data for data, _, _ in HOSTILE.values()), many_scans(70_000), encode(seven))
    types = [row["error"] and row["error"]["type"] for row in rows]
    assert types == [*(problems.TYPES[error].name for _, error, _ in HOSTILE.values()), "too-complex", None]
    assert rows[-1]["digit"] == 7


def test_the_limits_of_the_service_apply(tmp_path, seven):
    large = encode(drawing(seven, 20))
    rows = table_of(tmp_path, encode(seven), large, max_upload_bytes=len(large) - 1, max_pixels=28 * 28)
    assert [row["error"] and row["error"]["type"] for row in rows] == [None, "upload-too-large"]


def test_an_illegible_picture_is_refused_if_the_setting_asks_for_it(tmp_path, seven):
    rows = table_of(tmp_path, encode(seven), encode(letter("A")), min_legibility=0.5)
    assert [row["error"] and row["error"]["type"] for row in rows] == [None, "not-a-digit"]


def test_an_unexpected_error_affects_one_picture(tmp_path, seven, monkeypatch):
    async def fails(*_):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("app.inference.reader.Reader.read_large", fails)
    rows = table_of(tmp_path, encode(seven), encode(drawing(seven)), encode(seven))
    assert [row["digit"] for row in rows] == [7, None, 7]
    assert rows[1]["error"] == {"type": "internal-error", "detail": "RuntimeError: a fault of ours"}


@pytest.mark.parametrize(("times", "expected"), [(3, None), (worker.TRIES, "overloaded")])
def test_a_picture_is_retried_on_a_busy_machine(tmp_path, seven, monkeypatch, times, expected):
    read_large, busy = worker.Reader.read_large, iter([True] * times)

    async def is_often_busy(reader, data):
        if next(busy, False):
            raise worker.Busy
        return await read_large(reader, data)

    monkeypatch.setattr(worker.Reader, "read_large", is_often_busy)
    (row,) = table_of(tmp_path, encode(drawing(seven)))
    assert (row["error"] and row["error"]["type"]) == expected


def test_a_batch_is_limited_in_pictures_and_bytes(monkeypatch):
    monkeypatch.setattr(worker, "BATCH", 3)
    sizes = [1, 1, 1, 1, 10, 1, 9, 5]
    pictures = [Entry("", None, bytes(size)) for size in sizes] + [Entry("", None, OSError())]
    assert [len(batch) for batch in batches(pictures, 10)] == [3, 2, 2, 2]


@pytest.fixture
def destination(tmp_path) -> Destination:
    made = Destination(place_of(str(tmp_path / "out")), "digit", "1f0c2a9b7d3e")
    made.prepare()
    return made


def rows_of(*paths: str, **cells) -> list[dict]:
    return [{"path": path, "model": "1f0c2a9b7d3e", **cells} for path in paths]


def test_a_part_written_twice_has_each_row_once(destination):
    destination.write(rows_of("a", "b", digit=1))
    destination.write(rows_of("a", "b", digit=1))
    destination.write(rows_of("c", digit=1))
    assert destination.paths() == {"a", "b", "c"}
    assert destination.summary().pictures == 3


def test_an_incomplete_file_does_not_count_and_is_removed_at_the_end(destination, monkeypatch):
    def dies(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("app.bulk.destination.pq.write_table", dies)
        with pytest.raises(KeyboardInterrupt):
            destination.write(rows_of("a", digit=1))
    folder = Path(destination.place.path)
    assert len(list(folder.iterdir())) == 1
    destination.prepare()
    assert destination.paths() == set()
    assert destination.summary() == Summary(0, 0, {})
    destination.tidy()
    assert list(folder.iterdir()) == []


def test_the_summary_counts_errors_by_type_and_illegible_pictures(destination):
    destination.write(rows_of("a", "b", legibility=0.9) + rows_of("c", legibility=0.4))
    destination.write(rows_of("d", "e", error={"type": "empty-file", "detail": ""}))
    destination.write(rows_of("f", error={"type": "corrupt-image", "detail": ""}))
    assert destination.summary() == Summary(6, 1, {"empty-file": 2, "corrupt-image": 1})


@pytest.mark.parametrize(("kind", "model"), [("text", "1f0c2a9b7d3e"), ("digit", "cacc6ac4684e")])
def test_results_of_another_job_are_not_extended(destination, kind, model):
    destination.write(rows_of("a"))
    destination.prepare()
    with pytest.raises(BulkError, match=r"holds digit-1f0c2a9b7d3e-\w+\.parquet, which is not a result of this model"):
        Destination(destination.place, kind, model).prepare()


def test_a_glob_is_not_a_valid_destination(tmp_path):
    with pytest.raises(BulkError, match="is not a folder"):
        Destination(place_of(f"{tmp_path}/*"), "digit", "1f0c2a9b7d3e").prepare()


@pytest.mark.parametrize(("kind", "file"), [("digit", "digits.onnx"), ("text", "lines.onnx")])
def test_another_model_on_a_node_stops_the_job(destination, kind, file):
    destination = replace(destination, kind=kind)
    with pytest.raises(ValueError, match=rf"{file} differs from the model with which the job was started"):
        Worker(Files(destination.place, 1), destination, Settings())


def test_other_programs_can_read_the_rows(destination):
    destination.write(rows_of("a", digit=7, probabilities=[0.1] * 10))
    (file,) = destination.place.files()
    assert pq.read_table(file).schema.field("probabilities").type == pa.list_(pa.float32())
