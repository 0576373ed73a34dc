"""The application as other servers start it: `uvicorn app.main:app` and `fastapi run`."""

import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from fastapi import FastAPI

from app import main
from app.inference.classifier import ModelError
from app.settings import Settings
from support import ROOT, encode

ENTRYPOINT = "app.main:app"


@contextmanager
def served_by_uvicorn() -> Iterator[str]:
    """Serve the application with uvicorn's own command on a free port; yields its address."""
    command = [sys.executable, "-m", "uvicorn", ENTRYPOINT, "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        found = next(filter(None, (re.search(r"running on (\S+)", line) for line in process.stderr)))
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        try:
            yield found[1]
        finally:
            process.terminate()
            drain.join()


def test_fastapi_run_finds_the_application():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["fastapi"]["entrypoint"] == ENTRYPOINT


@pytest.mark.slow
def test_uvicorn_serves_the_application(seven):
    with served_by_uvicorn() as url:
        assert httpx2.get(f"{url}/health").json()["status"] == "ok"
        assert httpx2.post(f"{url}/predict", content=encode(seven)).json()["digit"] == 7


@pytest.mark.parametrize("setting", ["model", "lines_model"])
def test_without_one_of_its_models_no_application_is_created(setting, tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx: no such file"):
        main.create_app(Settings(**{setting: tmp_path / "none.onnx"}))


@pytest.mark.slow
def test_importing_the_module_creates_no_application_and_needs_no_model():
    program = "from app import main; assert 'app' not in vars(main)"
    environment = {**os.environ, "DIGITS_MODEL": "no-such-model.onnx", "DIGITS_LINES_MODEL": "no-such-model.onnx"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_application_is_created_once():
    assert isinstance(main.app, FastAPI)
    assert main.app is main.app


def test_an_unknown_attribute_is_still_an_error():
    with pytest.raises(AttributeError, match=r"module 'app\.main' has no attribute 'application'"):
        _ = main.application
