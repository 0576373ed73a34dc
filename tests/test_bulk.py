"""`digits bulk` as a user runs it: on one machine and on a cluster, to the end or killed half-way."""

import csv
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
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from support import DIGITS, MODEL, drawing, encode, until

pytestmark = pytest.mark.slow

BROKEN = {"a.png": (b"", "empty-file"), "b.png": (b"no picture", "not-an-image")}
RAY = str(Path(sys.executable).with_name("ray"))
GOOD = 4000


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits) -> Path:
    """4,000 files with digits, and three broken ones."""
    folder = tmp_path_factory.mktemp("pictures")
    pictures = [encode(image) for image in digits]
    for index in range(GOOD):
        (folder / f"{index:05}.png").write_bytes(pictures[index % 500])
    for name, (data, _) in BROKEN.items():
        (folder / name).write_bytes(data)
    (folder / "c.png").write_bytes(pictures[0][:80])
    return folder


def command(*arguments) -> list[str]:
    return [DIGITS, "bulk", *map(str, arguments), "--rows-per-file", "200"]


def bulk(*arguments, **environment) -> str:
    """Run the command; return the end of its output."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=180, env={**os.environ, **environment}
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return done.stderr


def to_read(said: str) -> int:
    """Parse how many pictures a run had to read."""
    return int(re.match(r"([\d,]+) pictures to read\.", said)[1].replace(",", ""))


def rows(folder: Path) -> list[dict]:
    return ds.dataset(folder).to_table(columns=["path", "digit", "error"]).to_pylist()


def check_results(results: Path, folder: Path, labels) -> None:
    """Check that each picture has one row, with its digit or the reason why it was not read."""
    found = {Path(row["path"]).name: row for row in rows(results)}
    assert len(rows(results)) == len(found) == GOOD + 3
    errors = {name: row["error"]["type"] for name, row in found.items() if row["error"]}
    assert errors == {**{name: kind for name, (_, kind) in BROKEN.items()}, "c.png": "corrupt-image"}
    right = sum(found[f"{index:05}.png"]["digit"] == labels[index % 500] for index in range(GOOD))
    assert right >= 0.99 * GOOD


def kill_in_the_middle(results: Path, *arguments, **environment) -> int:
    """Start the job, and kill it once some files are written; return how many rows they have."""
    with subprocess.Popen(command(*arguments), stderr=subprocess.DEVNULL, env={**os.environ, **environment}) as process:
        try:
            assert until(lambda: process.poll() is None and len(list(results.glob("*.parquet"))) >= 3, seconds=120)
        finally:
            process.kill()
    return len(rows(results))


def processes_that_name(text: str) -> list[Path]:
    """Find the processes whose environment or command line contains a text."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if text.encode() in (process / "environ").read_bytes() + (process / "cmdline").read_bytes():
                found.append(process)
    return found


def test_each_picture_has_one_row(folder, labels, tmp_path, monkeypatch):
    (tmp_path / "app").mkdir()  # belongs to another program, in the working directory
    (tmp_path / "app" / "__init__.py").touch()
    shutil.copy(MODEL, tmp_path / "own.onnx")
    monkeypatch.chdir(tmp_path)
    said = bulk(folder, "results", "--model", "own.onnx")
    check_results(tmp_path / "results", folder, labels)
    assert to_read(said) == GOOD + 3
    count = f"{GOOD + 3:,}"
    rate = rf"^{count} of {count} pictures in \d+ s \([\d,.]+ per second\)\.$"
    assert re.search(rate, said, re.M)
    summary = f"{count} pictures done: {GOOD:,} read, 3 failed.\n"
    assert summary in said
    assert all(f"  1 {kind}\n" in said for kind in ("empty-file", "not-an-image", "corrupt-image"))
    again = bulk(folder, "results", "--model", "own.onnx", "--csv", "results.csv")
    assert again.startswith(f"0 pictures to read.\n{summary}")
    with (tmp_path / "results.csv").open() as file:
        saved = {row["path"]: (row["digit"], bool(row["error"])) for row in csv.DictReader(file)}
    expected = {
        row["path"]: (str(row["digit"] or 0) * (not row["error"]), bool(row["error"]))
        for row in rows(tmp_path / "results")
    }
    assert saved == expected


def test_a_cluster_that_is_not_there_is_reported_in_one_line(folder, tmp_path):
    done = subprocess.run(
        command(folder, tmp_path, "--address=127.0.0.1:9"), capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("There is no Ray cluster at 127.0.0.1:9: ")
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def mark() -> Iterator[str]:
    """A text in the environment of all processes of a job; at the end, no process of a killed job may be left."""
    mark = secrets.token_hex(16)
    yield mark
    assert until(lambda: not processes_that_name(mark), seconds=10)


def test_a_killed_job_resumes_with_the_remaining_pictures(folder, labels, tmp_path, mark):
    done = kill_in_the_middle(tmp_path, folder, tmp_path, OF_THE_JOB=mark)
    assert 600 <= done < GOOD
    assert to_read(bulk(folder, tmp_path)) <= GOOD + 3 - done
    check_results(tmp_path, folder, labels)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@contextmanager
def node(*options: str, environment: dict[str, str]) -> Iterator[None]:
    """Start a cluster node with one core."""
    arguments = ["--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats", "--block", *options]
    process = subprocess.Popen(
        [RAY, "start", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    try:
        said = ""
        while "will now block forever" not in said:
            line = process.stdout.readline()
            assert line, f"The node did not start: {said}"
            said += line
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, ...]]:
    """Options that name a cluster of two nodes on this machine, with different addresses, and its token."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray", dir="/tmp"))  # sockets need short paths
        with socket.socket() as free:
            free.bind(("127.0.0.2", 0))
            address = f"127.0.0.2:{free.getsockname()[1]}"
        environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        head = "--head", f"--temp-dir={folder}", "--include-dashboard=false", f"--port={address.split(':')[1]}"
        stack.enter_context(node(*head, "--node-ip-address=127.0.0.2", environment=environment))
        stack.enter_context(node(f"--address={address}", "--node-ip-address=127.0.0.3", environment=environment))
        with pytest.MonkeyPatch.context() as patch:
            for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
                patch.setenv(name, environment[name])
            yield "--address", address


def test_two_nodes_give_the_results_of_one_even_if_the_job_is_killed(cluster, folder, labels, tmp_path):
    done = kill_in_the_middle(tmp_path, folder, tmp_path, *cluster)
    assert 600 <= done < GOOD
    more_than_cores = bulk(folder, tmp_path, *cluster, "--workers", "3")
    assert to_read(more_than_cores) <= GOOD + 3 - done
    check_results(tmp_path, folder, labels)


def test_a_second_run_reads_only_new_pictures(cluster, digits, tmp_path):
    folder, results = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "b.png").write_bytes(encode(digits[0]))
    bulk(folder, results, *cluster)
    (folder / "a.png").write_bytes(encode(drawing(digits[350])))
    assert to_read(bulk(folder, results, *cluster)) == 1
    assert {Path(row["path"]).name: row["digit"] for row in rows(results)} == {"a.png": 7, "b.png": 0}


def test_a_table_keeps_its_keys(cluster, digits, tmp_path):
    table = pa.table({"image": [{"bytes": encode(image)} for image in digits[::50]], "id": range(10)})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=3)
    bulk(tmp_path / "in.parquet", tmp_path / "out", "--column", "image.bytes", "--key", "id", "--read", *cluster)
    found = ds.dataset(tmp_path / "out").to_table(columns=["path", "key", "text"]).to_pylist()
    assert {(row["path"], row["key"], row["text"]) for row in found} == {
        (f"{tmp_path}/in.parquet#{digit}", str(digit), str(digit)) for digit in range(10)
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "There is no file or folder .*/nowhere"),
        (["no\x1bwhere"], "There is no file or folder .*/no�where"),
        ([".", "--column", "image"], "out is in .*, where Parquet files are read: choose a folder outside of it"),
        (["nowhere/*.tif"], r"There is no file .*/nowhere/\*\.tif\."),
        (["nowhere", "--column", "image"], "There is no Parquet file in .*/nowhere"),
        (["nowhere", "--model", "none.onnx"], "none.onnx: no such file"),
        (["nowhere", "--lines-model", "none.onnx"], "none.onnx: no such file"),
        (["nowhere", "--workers", "0"], "Invalid value for '--workers': 0"),
    ],
)
def test_a_user_error_is_reported_in_one_sentence(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = subprocess.run(command(*arguments, "out"), capture_output=True, text=True)
    assert done.returncode > 0
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("missing", "extra", "options"), [("pyarrow", "bulk", []), ("ray", "cluster", ["--address=x"])]
)
def test_without_the_extra_the_message_says_what_to_install(folder, tmp_path, missing, extra, options):
    code = f"import sys; sys.modules['{missing}'] = None; from app.cli.commands import cli; cli(sys.argv[1:])"
    arguments = [sys.executable, "-c", code, "bulk", str(folder), str(tmp_path / "out"), *options]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith(f"This needs {missing}, which the extra `{extra}` installs: pip install '.[{extra}]'\n")
    assert "Traceback" not in done.stderr


def test_if_workers_are_killed_their_parts_are_read_by_others(folder, labels, tmp_path):
    with subprocess.Popen(command(folder, tmp_path, "--workers", "1"), stderr=subprocess.PIPE, text=True) as process:
        assert until(lambda: len(list(tmp_path.glob("*.parquet"))) >= 3, seconds=120)
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)
        assert f"{GOOD + 3:,} pictures done" in process.communicate(timeout=120)[1]
    check_results(tmp_path, folder, labels)
