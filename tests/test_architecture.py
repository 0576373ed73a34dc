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
    "app.preprocess.small": {f"app.preprocess.{name}" for name in ("ink", "maps", "photo", "pieces")},
    "app.preprocess.frame": {"app.preprocess.maps"},
    "app.preprocess.pipeline": {
        f"app.preprocess.{name}" for name in ("decode", "frame", "ink", "maps", "pieces", "small")
    },
    "app.inference.classifier": set(),
    "app.settings": set(),
    "app.web.admission": set(),
    "app.metrics": set(),
    "app.web.draining": set(),
    "app.web.auth": set(),
    "app.web.headers": set(),
    "app.server.logs": set(),
    "app.server.protocol": {"app.web.admission", "app.web.problems"},
    "app.inference.batcher": {"app.web.admission"},
    "app.web.uploads": {"app.web.admission"},
    "app.inference.reader": {
        *(f"app.preprocess.{name}" for name in ("decode", "maps", "pipeline")),
        *(f"app.{name}" for name in ("batching", "classifier", "limits", "metrics", "settings")),
    },
    "app.web.problems": {"app.preprocess.errors", "app.web.auth", "app.web.admission", "app.web.uploads"},
    "app.web.shortcut": {"app.web.problems"},
    "app.web.middleware": {f"app.{name}" for name in ("metrics", "problems", "reading", "security")},
    "app.web.routes": {
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
    "app.server.process": {"app.server.logs", "app.main", "app.server.protocol", "app.settings"},
    "app.cli.answers": set(),
    "app.cli.pictures": {"app.cli.answers"},
    "app.cli.client": {"app.cli.answers"},
    "app.cli.local": {
        "app.cli.answers",
        "app.inference.classifier",
        "app.preprocess.errors",
        "app.preprocess.pipeline",
        "app.settings",
    },
    "app.cli.records": {"app.cli.answers"},
    "app.cli.terminal": {"app.cli.answers", "app.cli.pictures"},
    "app.cli.output": {"app.cli.answers", "app.cli.pictures", "app.cli.records", "app.cli.terminal"},
    "app.cli.commands": {
        *(f"app.cli.{name}" for name in ("answers", "client", "local", "output", "pictures", "terminal")),
        *(f"app.{name}" for name in ("classifier", "logs", "server", "settings")),
    },
    "training.data": set(),
    "training.pen": {"app.preprocess.frame"},
    "training.styles": {"app.preprocess.frame", "training.pen"},
    "training.wear": {"app.preprocess.frame", "training.pen"},
    "training.augment": {"app.preprocess.frame", "training.pen", "training.styles", "training.wear"},
    "training.plots": set(),
    "training.model": {"app.inference.classifier"},
    "training.convolution": {"app.inference.classifier", "app.preprocess.frame", "training.model"},
    "training.config": {"training.convolution", "training.model"},
    "training.calibrate": {"training.data", "training.model"},
    "training.quantize": set(),
    "training.export": {"app.inference.classifier", "training.model", "training.quantize"},
    "training.train": {
        "app.inference.classifier",
        *(
            f"training.{name}"
            for name in ("augment", "calibrate", "config", "convolution", "data", "export", "model", "plots")
        ),
    },
    "training.evaluate": {
        "app.inference.classifier",
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


@pytest.mark.parametrize(
    ("imported", "unwanted"),
    [
        (sorted(name for name in MODULES if name.startswith("app.")), "torch torchvision onnx matplotlib training"),
        (["app.cli.commands", "app.server.logs", "app.server.process"], "httpx2 rich.progress app.cli.terminal"),  # digits serve
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


def test_importing_prints_nothing_and_needs_no_setting():
    code = f"import {', '.join(MODULES)}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={"DIGITS_PORT": "nonsense", "DIGITS_MODEL": "/nowhere"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
