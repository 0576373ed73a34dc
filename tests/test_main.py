"""The application as other servers start it: `uvicorn app.main:app` and `fastapi run`."""

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
from support import ROOT, encode


@pytest.mark.slow
def test_uvicorn_serves_the_application_that_fastapi_run_finds(seven):
    entrypoint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][
        "fastapi"
    ]["entrypoint"]
    assert entrypoint == "app.main:app"
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        entrypoint,
        "--port",
        "0",
        "--no-access-log",
    ]
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        url = next(
            filter(
                None, (re.search(r"running on (\S+)", line) for line in process.stderr)
            )
        )[1]
        assert httpx2.get(f"{url}/health").json()["status"] == "ok"
        assert httpx2.post(f"{url}/predict", content=encode(seven)).json()["digit"] == 7
        process.terminate()


@pytest.mark.parametrize("setting", ["model", "lines_model", "pages_model"])
def test_without_one_of_its_models_no_application_is_created(setting, tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx: no such file"):
        main.create_app(Settings(**{setting: tmp_path / "none.onnx"}))


def test_the_application_is_created_once_and_is_the_only_attribute_that_is():
    assert isinstance(main.app, FastAPI)
    assert main.app is main.app
    with pytest.raises(
        AttributeError, match=r"module 'app\.main' has no attribute 'application'"
    ):
        _ = main.application
