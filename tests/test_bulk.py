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
from pathlib import Path

import onnx
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from app.bulk.worker import Worker
from app.serving.decoders import Busy
from app.settings import Settings
from support import (
    DIGITS,
    MINUS,
    MODEL,
    PAGES_MODEL,
    PNG,
    document,
    drawing,
    encode,
    flat,
    invoked,
    number,
    until,
)

pytestmark = pytest.mark.slow

BROKEN = {"empty-file": b"", "not-an-image": b"no picture", "corrupt-image": PNG[:80]}
RAY = str(Path(sys.executable).with_name("ray"))
GOOD = 1200
ALL = GOOD + 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits) -> Path:
    """1,200 files with digits, and three broken ones."""
    folder = tmp_path_factory.mktemp("pictures")
    pictures = [encode(image) for image in digits]
    for index in range(GOOD):
        (folder / f"{index:05}.png").write_bytes(pictures[index % 500])
    for name, data in BROKEN.items():
        (folder / f"{name}.png").write_bytes(data)
    return folder


def started(*arguments, **environment) -> subprocess.Popen:
    command = [DIGITS, "bulk", *map(str, arguments), "--rows-per-file", "60"]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


@contextmanager
def half_way(results: Path, *arguments, **environment) -> Iterator[subprocess.Popen]:
    """Start a job; yield it once it has written some files, and kill it at the end."""
    with started(*arguments, **environment) as job:
        try:
            assert until(
                lambda: (
                    job.poll() is None and len(list(results.glob("*.parquet"))) >= 3
                ),
                seconds=120,
            )
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
    right = sum(
        found[f"{index:05}"]["digit"] == labels[index % 500] for index in range(GOOD)
    )
    assert right >= 0.99 * GOOD


def test_each_picture_has_one_row_even_if_a_worker_is_killed(
    folder, labels, tmp_path, monkeypatch
):
    (tmp_path / "app").mkdir()  # belongs to another program, in the working directory
    (tmp_path / "app" / "__init__.py").touch()
    shutil.copy(MODEL, tmp_path / "own.onnx")
    monkeypatch.chdir(tmp_path)
    given, results = (folder, "results", "--model", "own.onnx"), tmp_path / "results"
    with half_way(results, *given, "--workers", "1") as job:
        for child in (
            Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        ):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)
        said = job.communicate(timeout=120)[1]
    check_results(results, labels)
    assert said.startswith(f"{ALL:,} pictures to read.\n")
    assert re.search(
        rf"^{ALL:,} of {ALL:,} pictures in \d+ s \([\d,.]+ per second\)\.$", said, re.M
    )
    summary = said[said.index(f"{ALL:,} pictures done: {GOOD:,} read, 3 failed.\n") :]
    hardly_legible = sum(
        (row["legibility"] or 1) < 0.5 for row in rows(results, "legibility")
    )
    counts = [
        f"  {hardly_legible} read with a legibility below 0.5",
        *(f"  1 {kind}" for kind in BROKEN),
    ]
    assert sorted(summary.splitlines()[1:]) == sorted(counts)
    assert (
        invoked("bulk", *given, "--csv", "all.csv").stderr
        == f"0 pictures to read.\n{summary}"
    )
    with (tmp_path / "all.csv").open() as file:
        saved = {
            row["path"]: (row["digit"], row["error"]) for row in csv.DictReader(file)
        }
    assert saved == {
        row["path"]: ("", row["error"]["detail"])
        if row["error"]
        else (str(row["digit"]), "")
        for row in rows(results, "digit", "error")
    }


@pytest.fixture
def cluster(monkeypatch) -> Iterator[tuple[str, ...]]:
    """Options that name a cluster of two nodes on this machine, with different
    addresses, and its token.
    """
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
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
        for options in (
            head,
            f"--address=127.0.0.2:{port} --node-ip-address=127.0.0.3",
        ):
            common = (
                "--num-cpus=1",
                "--object-store-memory=100000000",
                "--disable-usage-stats",
                "--block",
            )
            command = [RAY, "start", *options.split(), *common]
            node = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            stack.enter_context(node)
            stack.callback(node.terminate)
            assert any("will now block forever" in line for line in node.stdout), (
                "The node did not start."
            )
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
    assert until(
        lambda: (
            subprocess.run(
                f"grep -qs {mark} /proc/[0-9]*/environ", shell=True
            ).returncode
        )
    )
    more_than_cores = ("--workers", "3") if options else ()
    with started(folder, tmp_path, *options, *more_than_cores) as resumed:
        said = resumed.communicate(timeout=180)[1]
    assert resumed.returncode == 0, said
    assert int(said.split()[0].replace(",", "")) <= ALL - done
    check_results(tmp_path, labels)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("place", ["one machine", "two nodes"])
def test_texts_are_read_with_the_network_for_pages_that_is_set(
    request, digits, tmp_path, monkeypatch, place
):
    options = (
        request.getfixturevalue("cluster")
        if place == "two nodes"
        else ("--workers", "1")
    )
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "number.png").write_bytes(encode(number(digits[[60, 250]])))
    model = onnx.load(PAGES_MODEL)
    model.metadata_props.add(key="owner", value="somebody else")
    onnx.save(model, tmp_path / "own.onnx")
    monkeypatch.chdir(tmp_path)
    lines = Settings().lines_model
    for name, used in (("own.onnx", [lines, tmp_path / "own.onnx"]), ("none", [lines])):
        environment = os.environ | {"DIGITS_PAGES_MODEL": name}
        subprocess.run(
            [DIGITS, "bulk", "in", name[:4], "--read", *options],
            env=environment,
            check=True,
        )
        versions = "+".join(
            hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in used
        )
        found = [
            (row["text"], row["model"])
            for row in rows(tmp_path / name[:4], "text", "model")
        ]
        assert found == [("15", versions)]


def test_a_table_keeps_its_keys_and_only_its_new_rows_are_read(digits, tmp_path):
    (tmp_path / "in").mkdir()
    for name, some in (("b", [0, 1, 2, 3, 4]), ("a", [5, 6, 7, 8, 9])):
        table = pa.table(
            {
                "image": [{"bytes": encode(digits[50 * digit])} for digit in some],
                "id": some,
            }
        )
        pq.write_table(table, tmp_path / "in" / f"{name}.parquet", row_group_size=3)
        options = "--column", "image.bytes", "--key", "id", "--read", "--workers", "1"
        said = invoked("bulk", tmp_path / "in", tmp_path / "out", *options).stderr
        assert said.startswith("5 pictures to read.\n")
    assert {
        (row["path"], row["key"], row["text"])
        for row in rows(tmp_path / "out", "key", "text")
    } == {
        (
            f"{tmp_path}/in/{'ba'[digit // 5]}.parquet#{digit % 5}",
            str(digit),
            str(digit),
        )
        for digit in range(10)
    }


def test_each_picture_has_one_row_whatever_its_path_is(digits, tmp_path):
    """The third path is those of the first two with a newline between them."""
    folder = tmp_path / "in"
    names = [f"{folder}/1.png", f"{folder}/2.png", f"{folder}/1.png\n{folder}/2.png"]
    for count in (2, 3, 3):
        for digit, name in enumerate(names[:count], 1):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(encode(digits[50 * digit]))
        assert (
            invoked("bulk", folder, tmp_path / "out", "--workers", "1").exit_code == 0
        )
        assert {
            (row["path"], row["digit"]) for row in rows(tmp_path / "out", "digit")
        } == {(name, digit) for digit, name in enumerate(names[:count], 1)}


def test_each_picture_has_one_row_in_csv_whatever_its_path_is(digits, tmp_path):
    (tmp_path / "in").mkdir()
    names = [f"{tmp_path}/in/{name}.png" for name in ("7\n", "7\r", "7\r\n", '7,"')]
    for name in names:
        Path(name).write_bytes(encode(digits[350]))
    given = (
        tmp_path / "in",
        tmp_path / "out",
        "--workers",
        "1",
        "--csv",
        tmp_path / "csv",
    )
    assert invoked("bulk", *given).exit_code == 0
    with (tmp_path / "csv").open(newline="") as file:
        assert [(row["path"], row["digit"]) for row in csv.DictReader(file)] == [
            (name, "7") for name in sorted(names)
        ]


def test_no_text_in_csv_is_a_formula(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sevens, keys = (
        [encode(number(digits[[350]]))] * 4,
        ["=1+1", "-1,250.00", "@x", "'=1"],
    )
    pq.write_table(
        pa.table({"image": [*sevens, b"no picture"], "id": [*keys, "\t5"]}),
        "in.parquet",
    )
    options = (
        "--column",
        "image",
        "--key",
        "id",
        "--read",
        "--workers",
        "1",
        "--csv",
        "all.csv",
    )
    assert invoked("bulk", "in.parquet", "out", *options).exit_code == 0
    with Path("all.csv").open(newline="") as file:
        saved = [(row["key"], row["text"]) for row in csv.DictReader(file)]
    assert saved == [
        ("'=1+1", "7"),
        ("-1,250.00", "7"),
        ("'@x", "7"),
        ("''=1", "7"),
        ("'\t5", ""),
    ]
    assert [row["key"] for row in rows(tmp_path / "out", "key")] == [*keys, "\t5"]


def test_each_line_of_a_text_has_a_row_in_csv_with_its_form_and_value(digits, tmp_path):
    (tmp_path / "in").mkdir()
    date = [*digits[[120, 200]], MINUS, *digits[[50, 60]], MINUS, *digits[[110, 300]]]
    pictures = {
        "a": encode(number(date, digits[[350, 50]])),
        "b": flat(255),
        "c": b"no picture",
        "d": PNG[:80],
    }
    for name, data in pictures.items():
        (tmp_path / "in" / f"{name}.png").write_bytes(data)
    (tmp_path / "in" / "e.pdf").write_bytes(
        document([number(digits[[350]]), number(date)])
    )
    given = (
        tmp_path / "in",
        tmp_path / "out",
        "--read",
        "--workers",
        "1",
        "--csv",
        tmp_path / "csv",
    )
    assert invoked("bulk", *given, "--format", "date", "--date", "dmy").exit_code == 0
    with (tmp_path / "csv").open(newline="") as file:
        saved = [*csv.DictReader(file)]
    old = ["path", "key", "text", "confidence", "legibility", "model", "error", "page"]
    assert [*saved[0]] == [*old, "line", "format", "value"]
    cells = [
        (
            Path(row["path"]).stem,
            *(row[name] for name in ("page", "line", "text", "format", "value")),
        )
        for row in saved
    ]
    assert cells == [
        ("a", "", "1", "24-11-26", "yes", "2026-11-24"),
        ("a", "", "2", "71", "no", ""),
        ("b", "", "", "", "", ""),
        ("c", "", "", "", "", ""),
        ("d", "", "", "", "", ""),
        ("e", "1", "1", "7", "no", ""),
        ("e", "2", "1", "24-11-26", "yes", "2026-11-24"),
    ]
    assert [row["error"] != "" for row in saved] == [False] * 3 + [True] * 2 + [
        False
    ] * 2
    first, *others = rows(tmp_path / "out", "lines")
    assert len(others) == 5
    for row, line in zip(saved[:2], first["lines"], strict=True):
        least = min(digit["legibility"] for digit in line["digits"])
        assert (float(row["confidence"]), float(row["legibility"])) == (
            line["confidence"],
            least,
        )


def test_each_page_has_a_row_of_digits_also_in_csv(digits, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pdf").write_bytes(
        document([drawing(digits[50 * digit]) for digit in range(3)])
    )
    (tmp_path / "in" / "b.pdf").write_bytes(b"%PDF-1.7")
    given = (
        tmp_path / "in",
        tmp_path / "out",
        "--workers",
        "1",
        "--csv",
        tmp_path / "csv",
    )
    done = invoked("bulk", *given)
    assert (done.exit_code, done.stderr.splitlines()[0]) == (0, "2 pictures to read.")
    assert "4 pictures done: 3 read, 1 failed.\n  1 corrupt-image\n" in done.stderr
    with (tmp_path / "csv").open(newline="") as file:
        read = [
            (Path(row["path"]).name, row["page"], row["digit"])
            for row in csv.DictReader(file)
        ]
    assert read == [
        ("a.pdf", "1", "0"),
        ("a.pdf", "2", "1"),
        ("a.pdf", "3", "2"),
        ("b.pdf", "", ""),
    ]


def test_pictures_that_a_busy_machine_could_not_read_are_left_for_the_same_command(
    digits, tmp_path, monkeypatch
):
    folder, results = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for digit in range(3):
        (folder / f"{digit}.png").write_bytes(encode(drawing(digits[50 * digit])))
    (folder / "3.png").write_bytes(b"no picture")

    def run_on_busy_machine(parts, source, destination, settings, workers):
        worker = Worker(source, destination, settings)
        read_large = worker.reader.read_large

        async def read(data, page):
            if data == (folder / "1.png").read_bytes():
                raise Busy
            return await read_large(data)

        monkeypatch.setattr(worker.reader, "read_large", read)
        yield from (asyncio.run(worker.read(part)) for part in parts)

    with monkeypatch.context() as patched:
        patched.setattr("app.cli.bulk.run", run_on_busy_machine)
        done = invoked("bulk", folder, results)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[2:] == [
        "3 pictures done: 2 read, 1 failed.",
        "  1 not-an-image",
        "1 pictures are left: the machine was too busy for them, stopped or killed "
        "the process that read them, or an "
        "unexpected error occurred. The same command reads them.",
    ]
    again = invoked("bulk", folder, results, "--workers", "1")
    assert again.exit_code == 0
    assert again.stderr.startswith("1 pictures to read.\n")
    assert "4 pictures done: 3 read, 1 failed.\n" in again.stderr
    read = {Path(row["path"]).stem: row["digit"] for row in rows(results, "digit")}
    assert read == {"0": 0, "1": 1, "2": 2, "3": None}


def test_other_characters_are_read_into_a_folder_of_their_own(digits, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "number.png").write_bytes(encode(number(digits[[60, 250]])))

    def job(*options: str):
        return invoked(
            "bulk",
            tmp_path / "in",
            tmp_path / "out",
            "--read",
            "--workers",
            "1",
            *options,
        )

    assert job("--characters", "0123456789+").exit_code == 0
    assert [
        (row["text"], row["characters"])
        for row in rows(tmp_path / "out", "text", "characters")
    ] == [("15", "0123456789+")]
    # The same characters.
    assert job("--characters", "+0123456789").stderr.startswith("0 pictures to read.\n")
    for others in (
        (),
        ("--characters", "0123456789%"),
        ("--characters", "0123456789+", "--format", "integer"),
    ):
        assert (
            "is not a result of this model with these values of --read, --characters"
            in job(*others).stderr
        )


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
    for name in (
        "in/7.png",
        "labels.csv",
        "latin/\udcff.png",
        "old/digit-cacc6ac4684e-1.parquet",
    ):
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
    command = [
        sys.executable,
        "-c",
        code,
        "bulk",
        folder,
        tmp_path,
        *(["--address=x"] if extra == "cluster" else []),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"This needs {missing}, which the extra `{extra}` installs: pip install "
        f"'.[{extra}]'\n"
    )
    assert "Traceback" not in done.stderr
