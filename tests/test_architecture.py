"""The arrows between modules, and what importing them must not do."""

import ast
import subprocess
import sys

import pytest

from conftest import ROOT

ARROWS = {
    "app.preprocess.errors": set(),
    "app.preprocess.maps": set(),
    "app.preprocess.decode": {"app.preprocess.errors"},
    "app.preprocess.pieces": {"app.preprocess.maps"},
    "app.preprocess.photo": {"app.preprocess.maps", "app.preprocess.pieces"},
    "app.preprocess.ink": {f"app.preprocess.{name}" for name in ("errors", "maps", "photo", "pieces")},
    "app.preprocess.frame": {"app.preprocess.maps"},
    "app.preprocess.pipeline": {f"app.preprocess.{name}" for name in ("decode", "frame", "ink", "maps", "pieces")},
    "app.classifier": set(),
    "app.settings": set(),
    "app.limits": set(),
    "app.metrics": set(),
    "app.draining": set(),
    "app.keys": set(),
    "app.security": set(),
    "app.logs": set(),
    "app.protocol": {"app.limits", "app.problems"},
    "app.batching": {"app.limits"},
    "app.uploads": {"app.limits"},
    "app.reading": {
        *(f"app.preprocess.{name}" for name in ("decode", "maps", "pipeline")),
        *(f"app.{name}" for name in ("batching", "classifier", "limits", "metrics", "settings")),
    },
    "app.problems": {"app.preprocess.errors", "app.keys", "app.limits", "app.uploads"},
    "app.shortcut": {"app.problems"},
    "app.middleware": {f"app.{name}" for name in ("metrics", "problems", "reading", "security")},
    "app.routes": {
        "app.preprocess.maps",
        *(f"app.{name}" for name in ("classifier", "draining", "keys", "limits", "metrics", "problems")),
        *(f"app.{name}" for name in ("reading", "settings", "uploads")),
    },
    "app.main": {
        f"app.{name}"
        for name in (
            "classifier",
            "draining",
            "keys",
            "limits",
            "metrics",
            "middleware",
            "problems",
            "reading",
            "routes",
            "security",
            "settings",
            "shortcut",
        )
    },
    "app.server": {"app.logs", "app.main", "app.protocol", "app.settings"},
    "app.cli": {"app.classifier", "app.logs", "app.server", "app.settings"},
    "training.data": set(),
    "training.pen": {"app.preprocess.frame"},
    "training.styles": {"app.preprocess.frame", "training.pen"},
    "training.wear": {"app.preprocess.frame", "training.pen"},
    "training.augment": {"app.preprocess.frame", "training.pen", "training.styles", "training.wear"},
    "training.plots": set(),
    "training.model": {"app.classifier"},
    "training.convolution": {"app.classifier", "app.preprocess.frame", "training.model"},
    "training.config": {"training.convolution", "training.model"},
    "training.calibrate": {"training.data", "training.model"},
    "training.quantize": set(),
    "training.export": {"app.classifier", "training.model", "training.quantize"},
    "training.train": {
        "app.classifier",
        *(
            f"training.{name}"
            for name in ("augment", "calibrate", "config", "convolution", "data", "export", "model", "plots")
        ),
    },
    "training.evaluate": {
        "app.classifier",
        "app.preprocess.frame",
        "app.preprocess.pipeline",
        "training.config",
        "training.data",
        "training.plots",
    },
}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for package in ("app", "training")
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__init__.py"
}


def imports(module: str) -> set[str]:
    """The project's own modules that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names & set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_arrows_allow(module):
    assert imports(module) <= ARROWS[module]


def test_every_arrow_is_used():
    assert {module: imports(module) for module in MODULES} == ARROWS


def test_packages_are_empty():
    for path in [*(ROOT / "app").rglob("__init__.py"), *(ROOT / "training").rglob("__init__.py")]:
        assert path.read_text() == ""


def test_the_service_does_not_import_what_only_training_needs():
    unwanted = ["torch", "torchvision", "onnx", "matplotlib", "training"]
    code = f"import sys, app.cli; print([name for name in {unwanted} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_importing_prints_nothing_and_needs_no_setting():
    code = f"import {', '.join(MODULES)}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={"DIGITS_PORT": "nonsense", "DIGITS_MODEL": "/nowhere"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
