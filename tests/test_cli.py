"""`digits serve` and `digits predict`, as a user runs them: a process, a port, files."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from conftest import encode
from test_preprocess import drawing

DIGITS = str(Path(sys.executable).with_name("digits"))


@contextmanager
def serving(*options: str, **environment: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A running service on a free port: its process, and its address."""
    process = subprocess.Popen(
        [DIGITS, "serve", "--port", "0", *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        for line in process.stderr:
            if found := re.search(r"http://[\d.]+:\d+", line):
                break
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        yield process, found[0]
    finally:
        process.terminate()
        process.wait(timeout=30)
        drain.join()
        process.stderr.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as (_, url):
        yield url


@pytest.fixture
def files(tmp_path, digits) -> list[Path]:
    paths = [tmp_path / f"{digit}.png" for digit in (3, 7)]
    for path, image in zip(paths, (digits[150], digits[350]), strict=True):
        path.write_bytes(encode(drawing(image)))
    return paths


def digits_command(*arguments, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [DIGITS, *map(str, arguments)], capture_output=True, text=True, env={**os.environ, **environment}, timeout=60
    )


def test_predict_prints_a_line_a_file(url, files):
    done = digits_command("predict", *files, "--url", url)
    assert done.returncode == 0
    assert re.fullmatch(r".*/3.png: 3 \(\d+\.\d%\)\n.*/7.png: 7 \(\d+\.\d%\)\n", done.stdout)


def test_the_address_may_come_from_the_environment(url, files):
    assert digits_command("predict", files[0], DIGITS_URL=url).returncode == 0


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_read(url, files, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    done = digits_command("predict", tmp_path / "text.png", tmp_path / "none.png", files[0], "--url", url)
    assert done.returncode == 1
    assert "text.png: The file is not a picture" in done.stderr
    assert "none.png: No such file or directory" in done.stderr
    assert "3.png: 3 " in done.stdout


def test_a_service_that_does_not_answer_is_said(files):
    done = digits_command("predict", files[0], "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_service_is_ready_within_two_seconds():
    started = time.perf_counter()
    with serving() as (_, url):
        assert httpx2.get(f"{url}/health").status_code == 200
        assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--model", "/nowhere.onnx"], {}, "/nowhere.onnx: there is no such file"),
        (["--model", __file__], {}, "is cut off, or not an ONNX model"),
        (["--port", "70000"], {}, "DIGITS_PORT: .*less than or equal to 65535"),
        (["--host", "192.0.2.1"], {}, "192.0.2.1:8000: Cannot assign requested address. Choose another"),
        (["--workers", "0"], {}, "DIGITS_WORKERS: .*greater than or equal to 1"),
        ([], {"DIGITS_MAX_PIXELS": "many"}, "DIGITS_MAX_PIXELS: .*valid integer.*'many'"),
    ],
)
def test_serve_refuses_to_start_with_one_sentence(arguments, environment, message):
    done = digits_command("serve", *arguments, **environment)
    assert done.returncode == 1
    assert re.search(message, done.stderr)
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_said(url):
    port = url.rsplit(":", 1)[1]
    done = digits_command("serve", "--port", port)
    assert done.returncode == 1
    assert (
        done.stderr
        == f"127.0.0.1:{port}: Address already in use. Choose another address with DIGITS_HOST and DIGITS_PORT.\n"
    )
