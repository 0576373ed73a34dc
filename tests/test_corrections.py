"""Corrections: what is stored, what is refused, and what they are used for."""

import asyncio
import errno
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from answers import assert_problem, samples
from app.corrections import Corrections, NotStored, corrections_in
from app.digit.reading import DigitOptions, read_digit
from app.labels import NOTHING, labels_below
from app.main import create_app
from app.picture.file_formats import FILE_FORMATS
from app.settings import Settings
from commands import invoked
from hostile import PNG
from pictures import drawing, encode, flat, letter, number
from training.pictures import load
from training.reader import own_lines
from training.writing.alphabet import class_of

ANSWER = {"digit": 1, "confidence": 0.5}


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[TestClient]:
    """A client of a service that stores corrections."""
    folder = tmp_path_factory.mktemp("corrections")
    settings = Settings(corrections_dir=folder, cors_origins=["https://my.example"])
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def folder(service) -> Iterator[Path]:
    """Its folder, which is empty at first."""
    folder = service.app_state["service"].corrections.folder
    yield folder
    for path in folder.iterdir():
        path.unlink()


@pytest.fixture
def corrections(folder) -> Corrections:
    return Corrections(folder, 100, 1_000_000, 5)


@pytest.fixture
def pictures(digits) -> list[bytes]:
    return [encode(digit) for digit in digits[::50]]


def correct(client: TestClient, picture: bytes, label: object = 7, **options):
    return client.post(
        "/corrections", params={"label": label}, content=picture, **options
    )


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def stored(folder: Path) -> dict[bytes, str]:
    return {each.picture.read_bytes(): each.label for each in corrections_in(folder)}


@pytest.mark.parametrize(
    ("site", "origin", "status"),
    [
        ("cross-site", "https://other.example", 403),
        ("same-site", "https://other.example", 403),
        # From a browser, to another host than localhost, without TLS.
        (None, "http://other.example", 403),
        ("cross-site", "https://my.example", 201),
        ("same-origin", "https://digits.example", 201),
        ("none", None, 201),
        (None, "http://testserver", 201),
        (None, None, 201),
    ],
)
def test_a_page_of_another_site_stores_nothing(
    service, folder, seven, site, origin, status
):
    sent = {"Sec-Fetch-Site": site, "Origin": origin, "Content-Type": "text/plain"}
    answer = correct(
        service,
        encode(seven),
        headers={name: value for name, value in sent.items() if value},
    )
    if status == 403:
        assert_problem(answer, 403, "cross-origin", "/corrections")
    assert answer.status_code == status
    assert len(stored(folder)) == (status == 201)


@pytest.mark.parametrize("format", FILE_FORMATS)
def test_the_picture_its_label_and_the_answer_are_stored(
    service, folder, seven, format
):
    picture = encode(drawing(seven).convert("RGB"), format)
    name = hashlib.sha256(picture).hexdigest() + FILE_FORMATS[format].endings[0]
    answer = correct(service, picture, 1)
    assert answer.status_code == 201
    assert answer.json() == {"stored": True}
    record = folder / f"{name[:64]}.json"
    assert names_in(folder) == {name, record.name}
    assert (folder / name).read_bytes() == picture
    content = json.loads(record.read_text())
    assert content.pop("picture") == name
    assert content.pop("page") == 1
    assert content.pop("label") == "1"
    assert datetime.fromisoformat(content.pop("time")).tzinfo
    assert content == service.post("/predict", content=picture).json()
    assert content["digit"] == 7


def test_the_same_picture_is_stored_once_and_its_last_label_counts(
    service, folder, pictures
):
    statuses = []
    for label in (0, 0, 6, "none", "none"):
        answer = correct(service, pictures[0], label)
        assert answer.json()["stored"] == (answer.status_code == 201)
        statuses.append(answer.status_code)
    assert statuses == [201, 200, 201, 201, 200]
    assert stored(folder) == {pictures[0]: "none"}
    assert samples(service)["digits_corrections_total", ("label", "none")] == 1
    form = service.post(
        "/corrections?label=3",
        files={"file": ("../../0.exe", pictures[0], "text/html")},
    )
    assert form.status_code == 201
    assert stored(folder) == {pictures[0]: "3"}
    assert len(names_in(folder)) == 2


def test_a_blank_picture_has_the_label_none(service, folder):
    """Such as that of an empty field in which something was read."""
    blank = flat(255)
    answer = correct(service, blank, 7)
    assert_problem(answer, 422, "blank-image", "/corrections")
    assert correct(service, blank, "none").status_code == 201
    assert stored(folder) == {blank: "none"}
    (record,) = (json.loads(path.read_text()) for path in folder.glob("*.json"))
    assert record["text"] == ""


def test_a_number_is_stored_as_it_is_written(service, folder, digits, tmp_path):
    picture = encode(number(digits[[350, 120]]))
    for label in ("12.50", "24/11/26", "+5 %", "(45.00)\n€7", "%", "-35\n24"):
        assert correct(service, picture, label).status_code == 201
        (record,) = (json.loads(path.read_text()) for path in folder.glob("*.json"))
        assert record["label"] == label
        assert record["text"] == "72"
    assert samples(service)["digits_corrections_total", ("label", "number")] == 6
    assert exported(tmp_path / "new" / "set", folder) == {picture: "-35\n24"}


def test_an_invalid_label_is_refused(service, folder, pictures):
    for label in ("", " 7", "7 ", "７", "None", "7x", "7\t7", "7\0", "1" * 201, None):
        answer = correct(service, pictures[0], label)
        assert_problem(answer, 422, "invalid-parameter", "/corrections")
    signs = service.app_state["service"].reader.networks.lines.spec.signs
    detail = (
        f"label must be none, or consist of {signs}, spaces and newlines, and not 'x'."
    )
    assert correct(service, pictures[0], "7x").json()["detail"] == detail
    assert not names_in(folder)


def test_corrections_are_off_without_a_folder(
    client, service, pictures, monkeypatch, tmp_path
):
    assert_problem(correct(client, pictures[0]), 404, "corrections-off", "/corrections")
    assert client.get("/health").json()["corrections"] is False
    assert service.get("/health").json()["corrections"] is True
    monkeypatch.setenv("DIGITS_CORRECTIONS_DIR", "")
    assert Settings().corrections_dir is None
    monkeypatch.setenv("DIGITS_CORRECTIONS_DIR", str(tmp_path / "none"))
    with pytest.raises(ValueError, match="does not point to a directory"):
        Settings()


def test_any_origin_may_be_allowed_and_any_picture_stored_up_to_a_number(
    tmp_path, pictures
):
    illegible = encode(letter("A"))
    settings = Settings(
        corrections_dir=tmp_path,
        cors_origins=["*"],
        max_corrections=2,
        min_legibility=0.5,
    )
    with TestClient(create_app(settings)) as client:
        foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://other.example"}
        assert correct(client, pictures[0], headers=foreign).status_code == 201
        assert correct(client, illegible, "none").status_code == 201
        answer = correct(client, pictures[2])
        assert_problem(answer, 507, "correction-not-stored", "/corrections")
        # Changing a label takes no space.
        assert correct(client, pictures[0], 1).status_code == 201
        assert stored(tmp_path) == {pictures[0]: "1", illegible: "none"}
        for path in tmp_path.glob("*.json"):
            path.unlink()
        assert correct(client, pictures[2]).status_code == 201


def test_the_size_of_corrections_is_limited(folder, pictures):
    corrections = Corrections(folder, 100, 2000, 5)
    (folder / "of the operator").write_bytes(bytes(2000 - len(pictures[0]) - 200))
    assert corrections.store(pictures[0], "0", ANSWER)
    with pytest.raises(NotStored, match="full"):
        corrections.store(pictures[1], "1", ANSWER)
    assert stored(folder) == {pictures[0]: "0"}


@pytest.mark.parametrize(
    ("moment", "ending", "left"),
    [("fsync", "", 0), ("replace", ".png", 0), ("replace", ".json", 1)],
)
def test_a_full_disk_is_a_problem_and_leaves_no_correction(
    service, folder, seven, monkeypatch, moment, ending, left
):
    work = getattr(os, moment)

    def full(*given):
        if str(given[-1]).endswith(ending):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return work(*given)

    monkeypatch.setattr(os, moment, full)
    answer = correct(service, encode(seven))
    monkeypatch.undo()
    assert_problem(answer, 507, "correction-not-stored", "/corrections")
    assert "No space left on device" in answer.json()["detail"]
    # A picture without a label is no correction.
    assert len(names_in(folder)) == left
    assert stored(folder) == {}
    assert correct(service, encode(seven)).status_code == 201


KILLED = """
import os, sys
from pathlib import Path
from app.corrections import Corrections

def fsync(file, files=[]):
    files.append(file)
    if len(files) == int(sys.argv[3]):
        os._exit(9)

os.fsync = fsync
corrections = Corrections(Path(sys.argv[1]), 100, 1_000_000, 5)
corrections.store(Path(sys.argv[2]).read_bytes(), "0", {})
"""


@pytest.mark.parametrize(
    ("written", "left"), [(1, 1), (2, 2)], ids=["its picture", "its record"]
)
def test_what_a_process_left_that_was_killed_as_it_wrote_is_deleted_later(
    folder, pictures, tmp_path, written, left
):
    (tmp_path / "0.png").write_bytes(pictures[0])
    command = [sys.executable, "-c", KILLED, folder, tmp_path / "0.png", str(written)]
    assert subprocess.run(command).returncode == 9
    leftovers = names_in(folder)
    own = {".mine.png.0", "mine.png"}
    assert len(leftovers) == left
    for name in own:
        (folder / name).touch()
    corrections = Corrections(folder, 100, len(pictures[1]) + 250, 5)  # room for one
    with pytest.raises(NotStored, match="full"):  # they may still be written
        corrections.store(pictures[1], "1", ANSWER)
    for name in leftovers | own:
        os.utime(folder / name, (0, 0))
    assert corrections.store(pictures[1], "1", ANSWER)
    assert stored(folder) == {pictures[1]: "1"}
    assert names_in(folder) > own
    assert not names_in(folder) & leftovers


def test_several_workers_may_store_at_once(folder, pictures):
    workers = [Corrections(folder, 100, 100_000, 5) for _ in range(4)]
    work = [(workers[i % 4], pictures[i % 3], str(i % 2)) for i in range(120)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: each[0].store(each[1], each[2], ANSWER), work))
    assert set(stored(folder)) == set(pictures[:3])
    assert len(names_in(folder)) == 6
    assert set(stored(folder).values()) <= {"0", "1"}


def test_a_folder_that_hangs_delays_no_correction_for_longer_than_the_limit(
    folder, pictures, monkeypatch
):
    answers = threading.Event()
    store = Corrections.store

    def hanging(*given) -> bool:
        answers.wait()
        return store(*given)

    monkeypatch.setattr(Corrections, "store", hanging)

    async def add_several() -> bool:
        corrections = Corrections(folder, 100, 100_000, 0.1)
        for picture in pictures[:3]:
            with pytest.raises(NotStored, match="does not answer"):
                await corrections.add(picture, "0", ANSWER)
        answers.set()
        corrections.seconds = 30  # a busy disk may take longer than 0.1
        return await corrections.add(pictures[3], "3", ANSWER)

    assert asyncio.run(add_several())
    # The first was being stored.
    assert stored(folder) == {pictures[0]: "0", pictures[3]: "3"}


@pytest.mark.skipif(os.name == "nt", reason="needs a umask")
@pytest.mark.parametrize(
    ("umask", "permissions"),
    [(0o022, 0o600), (0o077, 0o600), (0o002, 0o660), (0, 0o666)],
)
def test_others_may_read_corrections_only_where_the_umask_shares_them(
    corrections, pictures, umask, permissions
):
    before = os.umask(umask)
    try:
        corrections.store(pictures[0], "0", ANSWER)
    finally:
        assert os.umask(before) == umask
    for path in corrections.folder.iterdir():
        assert path.stat().st_mode & 0o777 == permissions


def exported(folder: Path, corrections: Path) -> dict[bytes, str]:
    """Export corrections to a folder; return its pictures and their labels."""
    environment = {"DIGITS_CORRECTIONS_DIR": str(corrections)}
    done = invoked("corrections", "export", folder, **environment)
    labels = labels_below(folder.parent)
    assert done.exit_code == 0
    assert f": {len(labels)}." in done.output
    return {page.file.read_bytes(): label for page, label in labels.items()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_each_page_has_its_own_label_and_is_the_one_that_is_trained_on(
    service, folder, digits, classifier, tmp_path, kind
):
    sheets = [number(digits[[350, 120]]), drawing(digits[50]), drawing(digits[350])]
    several = encode(sheets[0], kind, save_all=True, append_images=sheets[1:])
    for page, label, status in (
        (1, "72", 201),
        (2, "7", 201),
        (3, "7", 201),
        (2, "1", 201),
        (3, "7", 200),
    ):
        path = f"/corrections?page={page}&label={label}"
        assert service.post(path, content=several).status_code == status
    assert_problem(correct(service, several), 422, "no-such-page", "/corrections")
    records = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    labels = {record["page"]: record["label"] for record in records}
    assert labels == {1: "72", 2: "1", 3: "7"}
    read = {record["page"]: record.get("digit") for record in records}
    assert read == {1: None, 2: 1, 3: 7}
    exported(tmp_path / "new" / "set", folder)
    learned = load(tmp_path / "new", classifier)
    assert learned.labels.tolist() == [1, 7]
    for frame, page in zip(learned.images, (2, 3), strict=True):
        expected = read_digit(several, classifier, options=DigitOptions(page)).frame
        assert np.abs(frame.numpy() / 255 - expected).max() <= 0.5 / 255
    numbers = own_lines.load(tmp_path / "new")
    assert {line.symbols for line in numbers} == {
        tuple(map(class_of, label)) for label in ("72", "1", "7")
    }


def test_an_export_is_what_the_service_wrote_and_can_be_read_by_the_benchmark(
    corrections, pictures, tmp_path
):
    folder = corrections.folder
    secret = tmp_path / "secret.png"
    secret.write_bytes(PNG)
    places = [str(secret), f"../{secret.name}", 7, "\ud800", None]
    records = {f"{index:064x}": place for index, place in enumerate(places)}
    link = f"{7:064x}"
    records |= {link: f"{link}.png", "mine": "mine.png"}
    for name, place in records.items():
        content = json.dumps({"picture": place, "label": "1"})
        (folder / f"{name}.json").write_text(content)
    (folder / f"{link}.png").symlink_to(secret)
    (folder / "mine.png").write_bytes(PNG)
    illegible = encode(letter("A"))
    for label, picture in enumerate([*pictures, illegible]):
        corrections.store(picture, str(label) if label < 10 else "none", ANSWER)
    # By the operator.
    next(path for path in folder.iterdir() if path.read_bytes() == pictures[9]).unlink()
    expected = {picture: str(label) for label, picture in enumerate(pictures[:9])}
    assert exported(tmp_path / "new" / "set", folder) == {
        **expected,
        illegible: NOTHING,
    }


DAMAGED = (
    b"",
    b'{"picture": "a',
    b"[]",
    b"{}",
    b"\xff",
    b"[" * 200_000,
    b'{"label": 1}',
    b'{"label": "\\ud800"}',
)


def test_a_damaged_record_costs_only_its_own_correction(
    corrections, pictures, tmp_path
):
    record = corrections.folder / f"{hashlib.sha256(pictures[0]).hexdigest()}.json"
    pipe = [None] if hasattr(os, "mkfifo") else []  # opening it would take for ever
    corrections.store(pictures[1], "1", ANSWER)
    for index, content in enumerate([*DAMAGED, *pipe]):
        corrections.store(pictures[0], "0", ANSWER)
        record.unlink()
        os.mkfifo(record) if content is None else record.write_bytes(content)
        assert exported(tmp_path / str(index) / "set", corrections.folder) == {
            pictures[1]: "1"
        }
        assert corrections.store(pictures[0], "2", ANSWER)
        assert stored(corrections.folder) == {pictures[0]: "2", pictures[1]: "1"}
        record.unlink()


def test_an_export_needs_a_folder_of_corrections_and_overwrites_nothing(
    corrections, pictures, tmp_path
):
    for source in ("", str(tmp_path / "none")):
        done = invoked(
            "corrections", "export", tmp_path / "set", DIGITS_CORRECTIONS_DIR=source
        )
        assert done.exit_code == 2
        assert not (tmp_path / "set").exists()
    corrections.store(pictures[0], "0", ANSWER)
    for there in ("images", "labels.csv"):
        (tmp_path / there).mkdir()
        (tmp_path / there / there).write_text("mine")
        done = invoked(
            "corrections", "export", tmp_path / there, "--from", corrections.folder
        )
        assert done.exit_code == 1
        assert "File exists" in done.output
        assert (tmp_path / there / there).read_text() == "mine"
