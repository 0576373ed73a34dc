"""Corrections: what is stored, what is refused, and the use of stored corrections for measuring."""

import asyncio
import errno
import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.cli.commands import cli
from app.corrections import Corrections, NotStored, corrections_in
from app.main import create_app
from app.preprocess.formats import FORMATS, ending_of, names_a_picture
from app.settings import Settings
from support import HOSTILE, assert_problem, drawing, encode, letter, number, samples
from training.pictures import NO_DIGIT, labels_below

ANSWER = {"digit": 1, "confidence": 0.5}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "corrections").mkdir()
    return tmp_path / "corrections"


@pytest.fixture
def pictures(digits) -> list[bytes]:
    return [encode(digit) for digit in digits[::50]]


def serving(folder: Path, **settings) -> TestClient:
    return TestClient(create_app(Settings(corrections_dir=folder, **settings)), raise_server_exceptions=False)


def correct(client: TestClient, picture: bytes, label: object = 7, **options):
    return client.post("/corrections", params={"label": label}, content=picture, **options)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def stored(folder: Path) -> dict[bytes, str]:
    return {path.read_bytes(): label for path, label in corrections_in(folder)}


@pytest.mark.parametrize(
    ("site", "origin", "allowed", "status"),
    [
        ("cross-site", "https://other.example", (), 403),
        ("same-site", "https://other.example", ("https://my.example",), 403),
        ("cross-site", "https://my.example", ("https://my.example",), 201),
        ("cross-site", "https://other.example", ("*",), 201),
        ("same-origin", "https://digits.example", (), 201),
        ("none", None, (), 201),
        (None, "http://other.example", (), 403),  # from a browser, to another host than localhost, without TLS
        (None, "http://testserver", (), 201),
        (None, None, (), 201),
    ],
)
def test_a_page_of_another_site_stores_nothing(folder, seven, site, origin, allowed, status):
    sent = {"Sec-Fetch-Site": site, "Origin": origin, "Content-Type": "text/plain"}
    headers = {name: value for name, value in sent.items() if value}
    with serving(folder, cors_origins=allowed) as client:
        answer = correct(client, encode(seven), headers=headers)
    if status == 403:
        assert_problem(answer, 403, "cross-origin", "/corrections")
    else:
        assert answer.status_code == status
    assert len(stored(folder)) == (status == 201)


@pytest.mark.parametrize("kind", ["MNIST's", "drawn"])
def test_the_picture_its_label_and_the_answer_are_stored(folder, seven, kind):
    picture = encode(seven) if kind == "MNIST's" else encode(drawing(seven), "JPEG")
    stem, ending = hashlib.sha256(picture).hexdigest(), ".png" if kind == "MNIST's" else ".jpg"
    with serving(folder) as client:
        answer = correct(client, picture, 1)
        assert (answer.status_code, answer.json()) == (201, {"stored": True})
        predicted = client.post("/predict", content=picture).json()
        assert samples(client)["digits_corrections_total", ("label", "1")] == 1
    assert names_in(folder) == {f"{stem}{ending}", f"{stem}.json"}
    assert (folder / f"{stem}{ending}").read_bytes() == picture
    record = json.loads((folder / f"{stem}.json").read_text())
    assert record.pop("picture") == f"{stem}{ending}"
    assert record.pop("label") == "1"
    assert datetime.fromisoformat(record.pop("time")).tzinfo
    assert record == predicted
    assert predicted["digit"] == 7


def test_the_same_picture_is_stored_once_and_its_last_label_counts(folder, pictures):
    with serving(folder) as client:
        answers = [correct(client, pictures[0], label) for label in (0, 0, 6, "none", "none")]
        assert [answer.status_code for answer in answers] == [201, 200, 201, 201, 200]
        assert [answer.json()["stored"] for answer in answers] == [True, False, True, True, False]
        assert stored(folder) == {pictures[0]: "none"}
        assert samples(client)["digits_corrections_total", ("label", "none")] == 1
        form = client.post("/corrections?label=3", files={"file": ("../../0.exe", pictures[0], "text/html")})
        assert form.status_code == 201
    assert stored(folder) == {pictures[0]: "3"}
    assert len(names_in(folder)) == 2


@pytest.mark.parametrize("label", ["12.50", "24/11/26", "-35\n24", "123 456"])
def test_a_number_is_stored_as_it_is_written(folder, digits, label, tmp_path):
    picture = encode(number(digits[[350, 120]]))
    with serving(folder) as client:
        assert correct(client, picture, label).status_code == 201
        assert samples(client)["digits_corrections_total", ("label", "number")] == 1
        (record,) = (json.loads((folder / name).read_text()) for name in names_in(folder) if name.endswith(".json"))
        assert (record["label"], record["text"]) == (label, "72")
    assert export(tmp_path / "set", "--from", folder).exit_code == 0
    assert list(labels_below(tmp_path / "set").values()) == [label]


def test_corrections_are_off_without_a_folder(client, pictures, folder, monkeypatch):
    assert client.get("/health").json()["corrections"] is False
    assert_problem(correct(client, pictures[0]), 404, "corrections-off", "/corrections")
    monkeypatch.setenv("DIGITS_CORRECTIONS_DIR", "")
    assert Settings().corrections_dir is None
    with serving(folder) as client:
        assert client.get("/health").json()["corrections"] is True
    monkeypatch.setenv("DIGITS_CORRECTIONS_DIR", str(folder / "none"))
    with pytest.raises(ValueError, match="does not point to a directory"):
        Settings()


@pytest.mark.parametrize("label", ["", " 7", "7 ", "７", "None", "7x", "7\0", "1" * 201, None])
def test_an_invalid_label_is_refused(folder, pictures, label):
    with serving(folder) as client:
        answer = correct(client, pictures[0], label)
    assert_problem(answer, 422, "invalid-parameter", "/corrections")
    assert not names_in(folder)


@pytest.mark.parametrize("name", ["empty", "text", "cut png", "white", "bomb"])
def test_an_unreadable_picture_is_refused_as_by_predict(folder, name):
    with serving(folder) as client:
        refusals = [client.post(f"/{route}", content=HOSTILE[name][0]) for route in ("corrections?label=7", "predict")]
    ours, predicts = ({**answer.json(), "request_id": "", "instance": ""} for answer in refusals)
    assert ours == predicts
    assert not names_in(folder)


def test_an_illegible_picture_is_stored_whatever_the_setting(folder):
    with serving(folder, min_legibility=0.5) as client:
        assert correct(client, encode(letter("A")), "none").status_code == 201
    assert stored(folder) == {encode(letter("A")): "none"}


def test_without_a_key_nothing_is_stored(folder, pictures):
    with serving(folder, api_keys=["key"]) as client:
        assert_problem(correct(client, pictures[0]), 401, "unauthorized", "/corrections")
        assert not names_in(folder)
        assert correct(client, pictures[0], headers={"x-api-key": "key"}).status_code == 201


def test_the_number_of_corrections_is_limited(folder, pictures):
    with serving(folder, max_corrections=2) as client:
        statuses = [correct(client, picture).status_code for picture in pictures[:2]]
        assert_problem(correct(client, pictures[2]), 507, "correction-not-stored", "/corrections")
        assert [*statuses, correct(client, pictures[0], 1).status_code] == [
            201,
            201,
            201,
        ]  # changing a label takes no space
        assert stored(folder) == {pictures[0]: "1", pictures[1]: "7"}
        for path in folder.glob("*.json"):
            path.unlink()
        assert correct(client, pictures[2]).status_code == 201


def test_the_size_of_corrections_is_limited(folder, pictures):
    corrections = Corrections(folder, 100, 2000, 5)
    (folder / "of the operator").write_bytes(bytes(2000 - len(pictures[0]) - 200))
    assert corrections.store(pictures[0], "0", ANSWER)
    with pytest.raises(NotStored, match="full"):
        corrections.store(pictures[1], "1", ANSWER)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2000
    assert stored(folder) == {pictures[0]: "0"}


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_full_disk_is_a_problem_and_leaves_nothing_behind(folder, pictures, monkeypatch, moment):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with serving(folder) as client:
        monkeypatch.setattr(os, moment, full)
        answer = correct(client, pictures[0])
        monkeypatch.undo()
        assert_problem(answer, 507, "correction-not-stored", "/corrections")
        assert "No space left on device" in answer.json()["detail"]
        assert not names_in(folder)
        assert correct(client, pictures[0]).status_code == 201


class Crash(BaseException):
    """Simulate the end of the process."""


def test_a_crash_between_the_two_files_leaves_no_correction(folder, pictures, monkeypatch):
    corrections, replace = Corrections(folder, 1, 10_000, 5), os.replace

    def crash_at_the_label(source: str, target: Path) -> None:
        if target.suffix == ".json":
            raise Crash
        replace(source, target)

    monkeypatch.setattr(os, "replace", crash_at_the_label)
    with pytest.raises(Crash):
        corrections.store(pictures[0], "0", ANSWER)
    monkeypatch.undo()
    assert [path.read_bytes() for path in folder.iterdir()] == [pictures[0]]
    assert not stored(folder)
    assert corrections.store(pictures[1], "1", ANSWER)  # there is space for one
    assert stored(folder) == {pictures[1]: "1"}


def test_files_are_written_atomically(folder, pictures, monkeypatch):
    seen, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append(names_in(folder)), fsync(handle)))
    Corrections(folder, 1, 10_000, 5).store(pictures[0], "0", ANSWER)
    of_picture, of_label = (set(filter(lambda name: not name.startswith("."), names)) for names in seen)
    assert of_picture == set()
    assert [Path(name).suffix for name in of_label] == [".png"]


def test_several_workers_may_store_at_once(folder, pictures):
    workers = [Corrections(folder, 100, 100_000, 5) for _ in range(4)]
    work = [(workers[i % 4], pictures[i % 3], str(i % 2)) for i in range(120)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: each[0].store(each[1], each[2], ANSWER), work))
    assert set(stored(folder)) == set(pictures[:3])
    assert set(stored(folder).values()) <= {"0", "1"}
    assert len(names_in(folder)) == 6


def test_storing_does_not_block_the_event_loop(folder, pictures, monkeypatch):
    def in_a_thread(*_) -> bool:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return True

    monkeypatch.setattr(Corrections, "store", in_a_thread)
    with serving(folder) as client:
        assert correct(client, pictures[0]).status_code == 201


@pytest.mark.parametrize("format", FORMATS)
def test_the_file_extension_matches_the_format(seven, format):
    ending = ending_of(encode(drawing(seven, 2), format))
    assert names_a_picture(f"name{ending}")
    assert ending in (f".{format.lower()}", {"JPEG": ".jpg", "TIFF": ".tif", "HEIF": ".heic"}.get(format))


def export(*arguments: str, **environment: str):
    return CliRunner().invoke(cli, ["corrections", "export", *map(str, arguments)], env=environment)


def test_an_export_can_be_read_by_the_benchmark(folder, pictures, tmp_path):
    with serving(folder) as client:
        for label, picture in enumerate(pictures):
            assert correct(client, picture, label).status_code == 201
        assert correct(client, encode(letter("A")), "none").status_code == 201
    next(path for path in folder.iterdir() if path.read_bytes() == pictures[9]).unlink()  # by the operator
    done = export(tmp_path / "new" / "set", DIGITS_CORRECTIONS_DIR=str(folder))
    assert (done.exit_code, ": 10." in done.output) == (0, True)
    labels = labels_below(tmp_path / "new")
    read = {path.read_bytes(): label for path, label in labels.items()}
    expected = {picture: str(label) for label, picture in enumerate(pictures[:9])}
    assert read == {**expected, encode(letter("A")): NO_DIGIT}


DAMAGED = b"", b'{"picture": "a', b"[]", b"{}", b"\xff", b"[" * 200_000, b'{"label": 1}', b'{"label": "\\ud800"}'


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_record_costs_only_its_own_correction(folder, pictures, tmp_path, content):
    with serving(folder) as client:
        for label in (0, 1):
            assert correct(client, pictures[label], label).status_code == 201
        (folder / f"{hashlib.sha256(pictures[0]).hexdigest()}.json").write_bytes(content)
        assert stored(folder) == {pictures[1]: "1"}
        done = export(tmp_path / "new", DIGITS_CORRECTIONS_DIR=str(folder))
        assert (done.exit_code, ": 1." in done.output) == (0, True)
        assert correct(client, pictures[0], 2).status_code == 201
    assert stored(folder) == {pictures[0]: "2", pictures[1]: "1"}


def test_an_export_contains_only_what_the_service_wrote(folder, pictures, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(pictures[0])
    for index, place in enumerate([str(secret), f"../{secret.name}", 7, "\ud800", None]):
        (folder / f"{index:064x}.json").write_text(json.dumps({"picture": place, "label": "1"}))
    (folder / f"{7:064x}.json").write_text(json.dumps({"picture": f"{7:064x}.png", "label": "1"}))
    (folder / f"{7:064x}.png").symlink_to(secret)
    (folder / "mine.json").write_text(json.dumps({"picture": "mine.png", "label": "1"}))
    (folder / "mine.png").write_bytes(pictures[1])
    Corrections(folder, 100, 100_000, 5).store(pictures[2], "2", ANSWER)
    done = export(tmp_path / "new", "--from", folder)
    assert (done.exit_code, ": 1." in done.output) == (0, True)
    assert [path.read_bytes() for path in (tmp_path / "new" / "images").iterdir()] == [pictures[2]]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_place_of_a_record_is_replaced(folder, pictures):
    corrections = Corrections(folder, 100, 100_000, 5)
    assert corrections.store(pictures[0], "0", ANSWER)
    (record,) = folder.glob("*.json")
    record.unlink()
    os.mkfifo(record)
    assert not stored(folder)
    assert corrections.store(pictures[0], "0", ANSWER)
    assert stored(folder) == {pictures[0]: "0"}


def test_a_folder_that_hangs_delays_no_correction_for_longer_than_the_limit(folder, pictures, monkeypatch):
    answers, store = threading.Event(), Corrections.store
    monkeypatch.setattr(Corrections, "store", lambda *given: answers.wait() and store(*given))

    async def add_several() -> bool:
        corrections = Corrections(folder, 100, 100_000, 0.1)
        for picture in pictures[:3]:
            with pytest.raises(NotStored, match="does not answer"):
                await corrections.add(picture, "0", ANSWER)
        answers.set()
        corrections.seconds = 30  # a busy disk may take longer than 0.1
        return await corrections.add(pictures[3], "3", ANSWER)

    assert asyncio.run(add_several())
    assert stored(folder) == {pictures[0]: "0", pictures[3]: "3"}  # the first was being stored


@pytest.mark.skipif(os.name == "nt", reason="needs a umask")
@pytest.mark.parametrize(("umask", "permissions"), [(0o022, 0o600), (0o077, 0o600), (0o002, 0o660), (0, 0o666)])
def test_others_may_read_corrections_only_where_the_umask_shares_them(folder, pictures, umask, permissions):
    before = os.umask(umask)
    try:
        Corrections(folder, 100, 100_000, 5).store(pictures[0], "0", ANSWER)
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [permissions] * 2


@pytest.mark.parametrize("there", ["images", "labels.csv"])
def test_an_export_overwrites_nothing(folder, pictures, tmp_path, there):
    Corrections(folder, 100, 100_000, 5).store(pictures[0], "0", ANSWER)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / there).write_text("mine")
    done = export(tmp_path / "set", "--from", folder)
    assert (done.exit_code, "File exists" in done.output) == (1, True)
    assert (tmp_path / "set" / there).read_text() == "mine"


def test_an_export_needs_a_folder_of_corrections(tmp_path):
    done = export(tmp_path / "set", DIGITS_CORRECTIONS_DIR="")
    assert done.exit_code == 2
    assert "--from" in done.output
    done = export(tmp_path / "set", "--from", tmp_path / "none")
    assert done.exit_code == 2
    assert not (tmp_path / "set").exists()
