"""Imports have no side effects and load no unneeded packages."""

import os
import re
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from paths import ROOT

PACKAGES = (ROOT / "app", ROOT / "training")
FILES = [path for package in PACKAGES for path in package.rglob("*.py")]
MODULES = []
for path in FILES:
    if path.name == "__init__.py":
        assert path.read_text() == ""
    else:
        MODULES.append(".".join(path.relative_to(ROOT).with_suffix("").parts))


def run(code: str, **environment: str) -> str:
    """Run Python code that warns and reports nothing; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("imported", "unwanted"),
    [
        (
            "app.server.logs app.server.process",
            "httpx2 rich.progress app.many.terminal",
        ),
        ("app.many.client app.many.terminal", "fastapi uvicorn onnxruntime numpy PIL"),
        (
            "app.many.client app.many.records",
            "rich.console fastapi uvicorn onnxruntime",
        ),
        ("app.many.local", "fastapi uvicorn httpx2"),
    ],
    ids=["serve", "predict", "predict --json", "predict --local"],
)
def test_unneeded_packages_are_not_imported(imported, unwanted):
    code = f"""
import sys, app.cli.commands, {", ".join(imported.split())}
print([name for name in {unwanted.split()} if name in sys.modules])
"""
    assert run(code, **os.environ) == "[]\n"


@pytest.mark.slow
def test_importing_prints_nothing_and_reads_no_settings_and_serving_needs_no_torch():
    unwanted = "torch torchvision onnx matplotlib training".split()
    code = f"""
import sys, {", ".join(name for name in MODULES if name.startswith("app."))}
assert not [name for name in {unwanted} if name in sys.modules]
assert "app" not in vars(app.main)
import {", ".join(MODULES)}
"""
    assert run(code, DIGITS_PORT="nonsense", DIGITS_MODEL="/nowhere") == ""


def test_the_scripts_of_the_page_do_not_import_each_other_in_circles():
    imports = {}
    for path in (ROOT / "app" / "page").glob("*.js"):
        imports[path.name] = re.findall('^import .*"./(.+)";$', path.read_text(), re.M)
    assert imports["sheet.js"]
    assert set().union(*imports.values()) == imports.keys() - {"page.js"}
    TopologicalSorter(imports).prepare()  # or raise a CycleError
