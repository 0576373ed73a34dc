"""The application as other servers start it: `uvicorn app.main:app`, `fastapi run`."""

import re
import subprocess
import sys
import tomllib

import httpx2
import pytest
from fastapi import FastAPI

from app import main
from app.network import ModelError
from app.settings import Settings
from paths import ROOT
from pictures import encode


@pytest.mark.slow
def test_uvicorn_serves_the_application_that_fastapi_run_finds(seven):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    entrypoint = project["tool"]["fastapi"]["entrypoint"]
    assert entrypoint == "app.main:app"
    uvicorn = [sys.executable, "-m", "uvicorn"]
    with subprocess.Popen(
        [*uvicorn, entrypoint, "--port", "0", "--no-access-log"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        started = next(line for line in process.stderr if "running on" in line)
        url = re.search(r"http://\S+", started)[0]
        assert httpx2.get(f"{url}/health").json()["status"] == "ok"
        answer = httpx2.post(f"{url}/predict", content=encode(seven))
        assert answer.json()["digit"] == 7
        process.terminate()


@pytest.mark.parametrize("setting", ["model", "lines_model", "pages_model"])
def test_without_one_of_its_models_no_application_is_created(setting, tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx: no such file"):
        main.create_app(Settings(**{setting: tmp_path / "none.onnx"}))


def test_the_application_is_created_once_and_is_the_only_attribute_that_is():
    assert isinstance(main.app, FastAPI)
    assert main.app is main.app
    message = r"module 'app\.main' has no attribute 'application'"
    with pytest.raises(AttributeError, match=message):
        _ = main.application
