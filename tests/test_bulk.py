"""`digits bulk` as a user runs it: on one machine and on a cluster, to the end or
killed half-way.
"""

import asyncio
import csv
import hashlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import onnx
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from app.answers.columns import TEXT_COLUMNS
from app.answers.spreadsheet import formula_of
from app.form.form import OWN_COLUMNS, form_in
from app.many.worker import Job, Worker
from app.serving.decoders import Busy
from app.serving.reader import Reader
from app.settings import Settings
from commands import DIGITS, invoked
from hostile import PNG
from paths import MODEL, PAGES_MODEL, ROOT
from pictures import MINUS, document, drawing, encode, flat, number
from services import until
from sheets import scan, two_pages

pytestmark = pytest.mark.slow

BROKEN = {"empty-file": b"", "not-an-image": b"no picture", "corrupt-image": PNG[:80]}
RAY = str(Path(sys.executable).with_name("ray"))
GOOD = 1200
ALL = GOOD + 3
ONE_WORKER = ("--workers", "1")
ROW = re.compile(r"([ab])\.parquet#(\d)")  # a row of a table


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits) -> Path:
    """1,200 files with digits, and three broken ones."""
    folder = tmp_path_factory.mktemp("pictures")
    pictures = [encode(image) for image in digits]
    good = {f"{index:05}": pictures[index % 500] for index in range(GOOD)}
    return filled(folder, good | BROKEN)


def filled(folder: Path, pictures: dict[str, bytes]) -> Path:
    """Write pictures into a folder, as PNGs if their names have no ending."""
    folder.mkdir(exist_ok=True)
    for name, data in pictures.items():
        (folder / (name if "." in name else f"{name}.png")).write_bytes(data)
    return folder


def started(*arguments, **environment) -> subprocess.Popen:
    command = [DIGITS, "bulk", *map(str, arguments), "--rows-per-file", "60"]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


@contextmanager
def half_way(results: Path, *arguments, **environment) -> Iterator[subprocess.Popen]:
    """Start a job; yield it once it has written some files, and kill it at the end."""

    def has_begun() -> bool:
        return job.poll() is None and len(list(results.glob("*.parquet"))) >= 3

    with started(*arguments, **environment) as job:
        try:
            assert until(has_begun, seconds=120)
            yield job
        finally:
            job.kill()


def rows(results: Path, *columns: str) -> list[dict]:
    return ds.dataset(results).to_table(columns=["path", *columns]).to_pylist()


def check_results(results: Path, labels) -> None:
    """Check that each picture has one row, with its digit or the reason why it was not
    read.
    """
    found = {Path(row["path"]).stem: row for row in rows(results, "digit", "error")}
    assert len(rows(results)) == len(found) == ALL
    assert all(found[name]["error"]["type"] == name for name in BROKEN)
    right = 0
    for index in range(GOOD):
        right += found[f"{index:05}"]["digit"] == labels[index % 500]
    assert right >= 0.99 * GOOD


def test_each_picture_has_one_row_even_if_a_worker_is_killed(
    folder, labels, tmp_path, monkeypatch
):
    (tmp_path / "app").mkdir()  # belongs to another program, in the working directory
    (tmp_path / "app" / "__init__.py").touch()
    shutil.copy(MODEL, tmp_path / "own.onnx")
    monkeypatch.chdir(tmp_path)
    given = folder, "results", "--model", "own.onnx"
    results = tmp_path / "results"
    with half_way(results, *given, "--workers", "1") as job:
        children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text()
        for child in children.split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)
        said = job.communicate(timeout=120)[1]
    check_results(results, labels)
    assert said.startswith(f"{ALL:,} pictures to read.\n")
    assert re.search(
        rf"^{ALL:,} of {ALL:,} pictures in \d+ s \([\d,.]+ per second\)\.$", said, re.M
    )
    summary = said[said.index(f"{ALL:,} pictures done: {GOOD:,} read, 3 failed.\n") :]
    shares = [row["legibility"] or 1 for row in rows(results, "legibility")]
    hardly_legible = sum(share < 0.5 for share in shares)
    counts = [f"  {hardly_legible} read with a legibility below 0.5"]
    counts += [f"  1 {kind}" for kind in BROKEN]
    assert sorted(summary.splitlines()[1:]) == sorted(counts)
    again = invoked("bulk", *given, "--csv", "all.csv")
    assert again.stderr == f"0 pictures to read.\n{summary}"
    assert again.exit_code == job.returncode == 1
    saved = {row["file"]: row for row in table_in(tmp_path / "all.csv")}
    assert len(saved) == ALL
    for row in rows(results, "digit", "error"):
        digit = "" if row["error"] else str(row["digit"])
        error = row["error"] or {"type": "", "detail": ""}
        found = saved[row["path"]]
        assert (found["digit"], found["error"]) == (digit, error["detail"])
        assert found["problem"] == error["type"]


def table_in(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@pytest.fixture
def cluster(nodes, monkeypatch) -> tuple[str, ...]:
    """Options that name a cluster of two nodes, and its token."""
    for name, value in TOKEN.items():
        monkeypatch.setenv(name, value)
    return nodes


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[str, ...]]:
    """A cluster of two nodes on this machine, with different addresses."""
    with socket.socket() as free:
        free.bind(("127.0.0.2", 0))
        port = free.getsockname()[1]
    with ExitStack() as stack:
        # Sockets need short paths.
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="ray", dir="/tmp")
        )
        head = (
            f"--head --port={port} --temp-dir={folder} --include-dashboard=false "
            "--node-ip-address=127.0.0.2"
        )
        other = f"--address=127.0.0.2:{port} --node-ip-address=127.0.0.3"
        common = (
            "--num-cpus=1 --object-store-memory=100000000 --disable-usage-stats --block"
        )
        for options in (head, other):
            command = [RAY, "start", *options.split(), *common.split()]
            node = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=os.environ | TOKEN,
            )
            stack.enter_context(node)
            stack.callback(node.terminate)
            started = any("will now block forever" in line for line in node.stdout)
            assert started, "The node did not start."
        yield "--address", f"127.0.0.2:{port}"


@pytest.mark.parametrize("place", ["one machine", "two nodes"])
def test_a_killed_job_leaves_no_process_and_resumes_with_the_remaining_pictures(
    request, folder, labels, tmp_path, place
):
    options = request.getfixturevalue("cluster") if place == "two nodes" else ()
    mark = secrets.token_hex(16)
    with half_way(tmp_path, folder, tmp_path, *options, OF_THE_JOB=mark):
        pass
    done = len(rows(tmp_path))
    assert 180 <= done < GOOD
    find = f"grep -qs {mark} /proc/[0-9]*/environ"
    assert until(lambda: subprocess.run(find, shell=True).returncode)
    more_than_cores = ("--workers", "3") if options else ()
    with started(folder, tmp_path, *options, *more_than_cores) as resumed:
        said = resumed.communicate(timeout=180)[1]
    assert resumed.returncode == 1, said
    assert " are left" not in said
    assert int(said.split()[0].replace(",", "")) <= ALL - done
    check_results(tmp_path, labels)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("place", ["one machine", "two nodes"])
def test_texts_are_read_with_the_network_for_pages_that_is_set(
    request, digits, tmp_path, monkeypatch, place
):
    options = ONE_WORKER
    if place == "two nodes":
        options = request.getfixturevalue("cluster")
    filled(tmp_path / "in", {"number": encode(number(digits[[60, 250]]))})
    model = onnx.load(PAGES_MODEL)
    model.metadata_props.add(key="owner", value="somebody else")
    onnx.save(model, tmp_path / "own.onnx")
    monkeypatch.chdir(tmp_path)
    lines = Settings().lines_model
    for name, pages in (("own.onnx", [tmp_path / "own.onnx"]), ("none", [])):
        used = [lines, *pages, MODEL]
        environment = os.environ | {"DIGITS_PAGES_MODEL": name}
        subprocess.run(
            [DIGITS, "bulk", "in", name[:4], "--read", *options],
            env=environment,
            check=True,
        )
        hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in used]
        (row,) = rows(tmp_path / name[:4], "text", "model")
        assert row["text"] == "15"
        assert row["model"] == "+".join(each[:12] for each in hashes)


@pytest.mark.parametrize("place", ["one machine", "two nodes"])
def test_a_sheet_of_a_form_is_a_row_with_a_column_a_field(request, tmp_path, place):
    options = ONE_WORKER
    if place == "two nodes":
        options = request.getfixturevalue("cluster")
    pages = [("combs", 1), ("table", 1), ("table", 2), ("table", 2), ("combs", 3)]
    batch = document([scan(*page) for page in pages], "TIFF", compression="jpeg")
    filled(tmp_path / "in", {"a.tif": batch, "b": PNG[:80]})
    form, table = tmp_path / "exam.json", tmp_path / "all.csv"
    form.write_text(two_pages())
    job = (DIGITS, "bulk", tmp_path / "in", tmp_path / "out", "--form", form)
    job += ("--csv", table, "--min-confidence", "0.9", *options)
    # Ray reads the token of a cluster once in a process.
    assert subprocess.run(job).returncode == 1
    names = [field.name for field in form_in(two_pages()).fields]
    found = rows(tmp_path / "out", *names, "unsure", "page", "fields", "error")
    first, wrong, half, broken = sorted(found, key=lambda row: row["page"] or 9)
    assert [row["page"] for row in found] == [1, 3, 5, None]
    assert [row["error"] is None for row in (first, wrong, half, broken)] == [
        *(True, False, False, False)
    ]
    fields = dict(first["fields"])
    assert [*fields] == names
    unsure = [name for name in names if fields[name]["confidence"] < 0.9]
    assert first["unsure"] == unsure
    in_csv = table_in(table)
    assert [*in_csv[0]] == [*names, *OWN_COLUMNS]
    assert in_csv[0]["unsure"] == " ".join(unsure)
    assert [in_csv[0][name] for name in names] == [first[name] or "" for name in names]
    again = subprocess.run(job, capture_output=True, text=True)
    assert again.stderr.startswith("0 pictures to read.\n4 ")
    other = invoked(*job[1:4], "--form", ROOT / "docs" / "exam.json")
    assert "which is not a result of this model" in other.stderr


def test_a_table_keeps_its_keys_and_only_its_new_rows_are_read(digits, tmp_path):
    (tmp_path / "in").mkdir()
    for name, some in (("b", [0, 1, 2, 3, 4]), ("a", [5, 6, 7, 8, 9])):
        images = [{"bytes": encode(digits[50 * digit])} for digit in some]
        table = pa.table({"image": images, "id": some})
        pq.write_table(table, tmp_path / "in" / f"{name}.parquet", row_group_size=3)
        options = "--column image.bytes --key id --read --workers 1".split()
        said = invoked("bulk", tmp_path / "in", tmp_path / "out", *options).stderr
        assert said.startswith("5 pictures to read.\n")
    found = rows(tmp_path / "out", "key", "text")
    assert len(found) == 10
    for row in found:
        name, digit = ROW.fullmatch(
            row["path"].removeprefix(f"{tmp_path}/in/")
        ).groups()
        expected = str(int(digit) + (5 if name == "a" else 0))
        assert (row["key"], row["text"]) == (expected, expected)


def read_to_csv(folder: Path, *options: str) -> tuple[str, list[dict[str, str]]]:
    """Read the pictures in `in`; return what the command says, and the CSV."""
    csv_file = folder / "all.csv"
    given = folder / "in", folder / "out", *ONE_WORKER, "--csv", csv_file, *options
    done = invoked("bulk", *given)
    table = table_in(csv_file)
    assert done.exit_code == any(row["error"] for row in table)
    return done.stderr, table


def test_pictures_that_a_busy_machine_could_not_read_are_left_for_the_same_command(
    digits, tmp_path, monkeypatch
):
    pictures = {str(each): encode(drawing(digits[50 * each])) for each in range(3)}
    folder = filled(tmp_path / "in", pictures | {"3": b"no picture"})
    results = tmp_path / "out"

    class BusyReader(Reader):
        async def read_large(self, data, options):
            if data == pictures["1"]:
                raise Busy
            return await super().read_large(data, options)

    def run_on_busy_machine(job: Job, parts, workers):
        worker = Worker(job)
        worker.reader = BusyReader(worker.reader.networks, worker.reader.decoders)
        for part in parts:
            yield asyncio.run(worker.read(part))

    with monkeypatch.context() as patched:
        patched.setattr("app.many.processes.run", run_on_busy_machine)
        done = invoked("bulk", folder, results)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[2:] == [
        "3 pictures done: 2 read, 1 failed.",
        "  1 not-an-image",
        "1 pictures are left: the machine was too busy for them, stopped or killed "
        "the process that read them, or an unexpected error occurred. The same command "
        "reads them.",
    ]
    again = invoked("bulk", folder, results, *ONE_WORKER)
    assert again.exit_code == 1
    assert again.stderr.startswith("1 pictures to read.\n")
    assert "4 pictures done: 3 read, 1 failed.\n" in again.stderr
    read = {Path(row["path"]).stem: row["digit"] for row in rows(results, "digit")}
    assert read == {"0": 0, "1": 1, "2": 2, "3": None}


def test_other_characters_are_read_into_a_folder_of_their_own(digits, tmp_path):
    folder = filled(tmp_path / "in", {"number": encode(number(digits[[60, 250]]))})

    def job(options: str):
        given = folder, tmp_path / "out", "--read", *ONE_WORKER, *options.split()
        return invoked("bulk", *given)

    assert job("--characters 0123456789+").exit_code == 0
    (row,) = rows(tmp_path / "out", "text", "characters")
    assert (row["text"], row["characters"]) == ("15", "0123456789+")
    same = job("--characters +0123456789")
    assert same.stderr.startswith("0 pictures to read.\n")
    refusal = "is not a result of this model with these values of --read, --form, "
    others = "--characters 0123456789%", "--characters 0123456789+ --format integer"
    for options in ("", *others, "--characters 0123456789+ --rotate auto"):
        assert refusal in job(options).stderr


def test_csv_is_the_one_that_digits_read_writes(digits, tmp_path):
    """Apart from the model of a picture that could not be read."""
    two_lines = number(digits[[60, 250]], digits[[0, 350]])
    date = [*digits[[120, 200]], MINUS, *digits[[50, 60]], MINUS, *digits[[110, 300]]]
    pictures = {
        "a": encode(two_lines),
        "b": flat(255),
        "c.pdf": document([number(digits[[350]]), number(date)]),
        "d": b"no picture",
        "e": encode(number(digits[[350, 60, 250]]).rotate(90, expand=True)),
        "7\r\n": encode(number(date)),
    }
    folder = filled(tmp_path / "in", pictures)
    how = "--format date --date dmy --rotate auto --spreadsheet --min-confidence 1"
    _, saved = read_to_csv(tmp_path, "--read", *how.split())
    again = tmp_path / "again.csv"
    given = "read", folder, "--local", *how.split(), "--output", again
    assert invoked(*given).exit_code == 1
    others = table_in(again)
    assert [*saved[0]] == [*others[0]] == TEXT_COLUMNS
    assert len(saved) == 8
    for row in saved:
        if row["error"]:
            row["model"] = ""
    assert saved == others
    texts = [row["text"] for row in saved]
    assert formula_of("24-11-26") in texts
    assert formula_of("715") in texts


def test_the_summary_says_how_many_rows_are_unsure(digits, tmp_path):
    pictures = {"a": encode(number(digits[[60, 250]])), "b": flat(255), "c": b"text"}
    filled(tmp_path / "in", pictures)
    said, saved = read_to_csv(tmp_path, "--read", "--min-confidence", "1")
    unsure = [row["unsure"] for row in saved]
    assert unsure == ["yes", unsure[1], ""]
    count = f"\n  {unsure.count('yes')} unsure: a confidence or legibility below 1.0\n"
    assert count in said
    said, saved = read_to_csv(tmp_path, "--read")
    assert "unsure" not in said
    assert {row["unsure"] for row in saved} == {""}


def test_files_that_were_unfinished_are_read_once_they_are_whole(digits, tmp_path):
    """As when pictures are read from a folder into which they are still being copied.

    Only those are read again of which there is reason to expect more.
    """
    whole = {
        "1.png": encode(drawing(digits[50])),
        "2.pdf": document([drawing(digits[50 * digit]) for digit in (1, 2, 3)]),
        "4.png": encode(drawing(digits[200])),
        "5.png": encode(drawing(digits[250])),
    }
    half_pdf = whole["2.pdf"][: len(whole["2.pdf"]) // 2]
    unfinished = {"1.png": b"", "2.pdf": half_pdf, "4.png": whole["4.png"][:-60]}
    good = {"0.png": encode(drawing(digits[0])), "text.png": b"no picture"}
    folder = filled(tmp_path / "in", good | unfinished)
    (folder / "5.png").symlink_to(tmp_path / "5.png")  # to nothing
    said, saved = read_to_csv(tmp_path)
    assert said.startswith("6 pictures to read.\n")
    problems = {Path(row["file"]).name: row["problem"] for row in saved}
    assert problems == {
        "0.png": "",
        "1.png": "empty-file",
        "2.pdf": "corrupt-image",
        "4.png": "corrupt-image",
        "5.png": "unreadable-file",
        "text.png": "not-an-image",
    }
    said, _ = read_to_csv(tmp_path)
    assert said.startswith("1 pictures to read.\n")
    for name, data in whole.items():
        (folder / name).write_bytes(data)
    said, saved = read_to_csv(tmp_path)
    assert said.startswith("4 pictures to read.\n")
    assert "8 pictures done: 7 read, 1 failed.\n  1 not-an-image\n" in said
    found = [(Path(row["file"]).name, row["page"], row["digit"]) for row in saved]
    pages = [("2.pdf", str(page), str(page)) for page in (1, 2, 3)]
    singles = [(f"{digit}.png", "", str(digit)) for digit in (0, 1, 4, 5)]
    assert sorted(found) == sorted([*singles, *pages, ("text.png", "", "")])
    (folder / "text.png").unlink()
    said, saved = read_to_csv(tmp_path)
    assert said.startswith("0 pictures to read.\n7 pictures done: 7 read, 0 failed.\n")
    for row in saved:
        status = (folder / Path(row["file"]).name).stat()
        assert int(row["size"]) == status.st_size
        modified = datetime.fromisoformat(row["modified"]).timestamp()
        assert modified == pytest.approx(status.st_mtime, abs=2e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nowhere out", "^There is no file or folder .*/nowhere"),
        ("no\x1bwhere out", "^There is no file or folder .*/no�where"),
        (
            "labels.csv out",
            "^There is no picture in .*/labels.csv: no file name ends in .png, ",
        ),
        ("x://y out", "^x://y: "),
        (
            "latin out",
            r"/latin cannot be listed: .*\\xff\.png.* is not UTF-8\. Rename that "
            r"file\.",
        ),
        ("nowhere/*.tif out", r"^There is no file .*/nowhere/\*\.tif\."),
        ("nowhere out --column image", "^There is no Parquet file in .*/nowhere"),
        ("old out --column image", r"digit-cacc6ac4684e-1\.parquet cannot be read: "),
        (
            ". out --column image",
            "out is in .*, where Parquet files are read: choose a folder outside of it",
        ),
        ("in out/*", r"out/\* is not a folder: choose one for the results"),
        (
            "in old",
            r"old holds digit-cacc6ac4684e-1\.parquet, which is not a result of this "
            r"model with these values",
        ),
        ("in out --model none.onnx", "^none.onnx: no such file"),
        ("in out --lines-model none.onnx", "^none.onnx: no such file"),
        ("DIGITS_PAGES_MODEL=none.onnx in out --read", "^none.onnx: no such file"),
        ("in out --rotate auto", "--rotate needs --read"),
        ("in out --spreadsheet", "--spreadsheet needs --csv"),
        ("in out --workers 0", "Invalid value for '--workers': 0"),
        (
            "in new --address=127.0.0.1:9",
            "^1 pictures to read.\nThere is no Ray cluster at 127.0.0.1:9: .*",
        ),
    ],
)
def test_a_user_error_is_reported_in_one_sentence(
    arguments, message, tmp_path, monkeypatch
):
    old = "old/digit-cacc6ac4684e-1.parquet"
    for name in ("in/7.png", "labels.csv", "latin/\udcff.png", old):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    words = arguments.split()
    environment = dict(word.split("=") for word in words if word.startswith("DIGITS_"))
    done = invoked("bulk", *words[len(environment) :], **environment)
    assert done.exit_code > 0
    assert re.search(message, done.stderr)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("missing", "extra"), [("pyarrow", "bulk"), ("ray", "cluster")]
)
def test_without_the_extra_the_message_says_what_to_install(
    folder, tmp_path, missing, extra
):
    code = (
        f"import sys; sys.modules['{missing}'] = None; from app.cli.commands import "
        "cli; cli(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "bulk", folder, tmp_path]
    if extra == "cluster":
        command.append("--address=x")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"This needs {missing}, which the extra `{extra}` installs: pip install "
        f"'.[{extra}]'\n"
    )
    assert "Traceback" not in done.stderr
