"""Importing a module has no side effects and loads no unneeded packages; import-linter
checks the layers.
"""

import os
import subprocess
import sys

import pytest

from support import ROOT

MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("app", "training")
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__init__.py"
]


def test_init_files_are_empty():
    assert not [
        path
        for part in ("app", "training")
        for path in (ROOT / part).rglob("__init__.py")
        if path.read_text()
    ]


def run(code: str, **environment: str) -> str:
    """Run Python code that warns and reports nothing; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("imported", "unwanted"),
    [
        # Serve.
        (
            "app.cli.commands, app.server.logs, app.server.process",
            "httpx2 rich.progress app.cli.terminal",
        ),
        # Predict.
        (
            "app.cli.commands, app.cli.client, app.cli.terminal",
            "fastapi uvicorn onnxruntime numpy PIL",
        ),
        # … --json.
        (
            "app.cli.commands, app.cli.client, app.cli.records",
            "rich.console fastapi uvicorn onnxruntime",
        ),
        ("app.cli.commands, app.cli.local", "fastapi uvicorn httpx2"),  # … --local
    ],
)
def test_unneeded_packages_are_not_imported(imported, unwanted):
    code = (
        f"import sys, {imported}; print([name for name in {unwanted.split()} if name "
        "in sys.modules])"
    )
    assert run(code, **os.environ) == "[]\n"


@pytest.mark.slow
def test_importing_prints_nothing_reads_no_settings_and_the_service_needs_no_training_packages():
    unwanted = "torch torchvision onnx matplotlib training".split()
    code = f"""
import sys, {", ".join(name for name in MODULES if name.startswith("app."))}
assert not [name for name in {unwanted} if name in sys.modules]
assert "app" not in vars(app.main)
import {", ".join(MODULES)}
"""
    assert run(code, DIGITS_PORT="nonsense", DIGITS_MODEL="/nowhere") == ""
