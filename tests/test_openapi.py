"""The OpenAPI document against the running service: schemathesis sends what it allows, and what it does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from test_cli import serving

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
CONFIG = ROOT / "tests" / "data" / "schemathesis.toml"


@pytest.mark.parametrize(
    ("environment", "options"),
    [({}, []), ({"DIGITS_API_KEYS": "key"}, ["--header", "Authorization: Bearer key"])],
    ids=["open", "with keys"],
)
def test_every_answer_is_as_documented(environment, options, tmp_path):
    with serving(**environment) as (_, url):
        done = subprocess.run(
            [
                *(SCHEMATHESIS, "--config-file", str(CONFIG), "run", f"{url}/openapi.json"),
                *("--checks", "all", "--max-examples", "100", "--seed", "1", *options),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout
    assert "failed" not in done.stdout
