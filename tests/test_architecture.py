"""Importing a module has no side effects and loads no unneeded packages; import-linter checks the layers."""

import subprocess
import sys

import pytest

from support import ROOT

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for package in ("app", "training")
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__init__.py"
}


def test_init_files_are_empty():
    for path in [*(ROOT / "app").rglob("__init__.py"), *(ROOT / "training").rglob("__init__.py")]:
        assert path.read_text() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("imported", "unwanted"),
    [
        (sorted(name for name in MODULES if name.startswith("app.")), "torch torchvision onnx matplotlib training"),
        (
            ["app.cli.commands", "app.server.logs", "app.server.process"],
            "httpx2 rich.progress app.cli.terminal",
        ),  # digits serve
        (
            ["app.cli.commands", "app.cli.client", "app.cli.terminal"],
            "fastapi uvicorn onnxruntime numpy PIL",
        ),  # digits predict
        (
            ["app.cli.commands", "app.cli.client", "app.cli.records"],
            "rich.console fastapi uvicorn onnxruntime",
        ),  # … --json
        (["app.cli.commands", "app.cli.local"], "fastapi uvicorn httpx2"),  # … --local
    ],
)
def test_unneeded_packages_are_not_imported(imported, unwanted):
    code = f"import sys, {', '.join(imported)}; print([name for name in {unwanted.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.slow
def test_importing_prints_nothing_and_reads_no_settings():
    code = f"import {', '.join(MODULES)}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={"DIGITS_PORT": "nonsense", "DIGITS_MODEL": "/nowhere"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
