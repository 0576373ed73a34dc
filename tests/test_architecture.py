"""What importing a module must not do. Layers are import-linter's, in pyproject.toml."""

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


def test_packages_are_empty():
    for path in [*(ROOT / "app").rglob("__init__.py"), *(ROOT / "training").rglob("__init__.py")]:
        assert path.read_text() == ""


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
def test_nothing_is_imported_that_is_of_no_use(imported, unwanted):
    code = f"import sys, {', '.join(imported)}; print([name for name in {unwanted.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.slow
def test_importing_prints_nothing_and_needs_no_setting():
    code = f"import {', '.join(MODULES)}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={"DIGITS_PORT": "nonsense", "DIGITS_MODEL": "/nowhere"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
