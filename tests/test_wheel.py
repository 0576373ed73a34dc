"""The sdist and the wheel are complete, fit for PyPI, and work in any folder without the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path
from zipfile import ZipFile

import httpx2
import pytest
from pathspec import GitIgnoreSpec
from PIL import Image

from support import LINES_MODEL, MODEL, ROOT, encode, serving

SEVEN = ROOT / "docs" / "seven.png"

pytestmark = pytest.mark.slow


def build(*arguments: object, project: Path = ROOT) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", *map(str, arguments)], cwd=project, check=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The checkout's sdist and wheel."""
    folder = tmp_path_factory.mktemp("built")
    build("--directory", folder)
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """A virtual environment with the wheel; its dependencies come from the test environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    install = ["--python", str(folder), "install", "--quiet", "--no-deps", "--no-index", str(built[1])]
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *install], check=True)
    packages = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
    # A path from a .pth file comes after the environment's own, and .pth files in it (editable installs) are ignored.
    Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def test_the_wheel_has_the_models_and_all_files_of_the_service(built):
    files = [path for path in (ROOT / "app").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    with ZipFile(built[1]) as archive:
        assert {path.relative_to(ROOT).as_posix() for path in files} <= set(archive.namelist())
        assert archive.read("app/digits.onnx") == MODEL.read_bytes()
        assert archive.read("app/lines.onnx") == LINES_MODEL.read_bytes()


def test_the_sdist_has_nothing_that_git_ignores_and_builds_the_same_wheel(built, tmp_path):
    sdist, wheel = built
    with tarfile.open(sdist) as archive:
        files = [name.partition("/")[2] for name in archive.getnames()]
        archive.extractall(tmp_path, filter="data")
    ignored = GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text().splitlines())
    assert "README.md" in files
    assert list(ignored.match_files(files)) == []
    (project,) = tmp_path.iterdir()
    build("--target", "wheel", project=project)
    assert (project / "dist" / wheel.name).read_bytes() == wheel.read_bytes()


def test_pypi_accepts_both(built):
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, built)], check=True)


def test_the_installed_command_works_beside_another_package_named_app(installed, tmp_path, monkeypatch):
    command = sysconfig.get_path("scripts", "venv", {"base": str(installed)}) + "/digits"
    monkeypatch.setattr("support.DIGITS", command)
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name == "PYTHONPATH" or name.startswith("DIGITS_"):
            monkeypatch.delenv(name)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()

    def answer(*arguments: str) -> dict:
        return json.loads(subprocess.check_output([command, *arguments, "--local", "--json"]))

    assert answer("predict", str(SEVEN))["digit"] == 7
    models = answer("info")["models"]
    assert all(Path(models[name]["file"]).is_relative_to(installed) for name in ("digits", "lines"))
    large = encode(Image.open(SEVEN).resize((800, 800)), "JPEG")  # decoded by another process
    with serving("--workers", "2") as (_, url), httpx2.Client(base_url=url, timeout=20) as client:
        for picture in (SEVEN.read_bytes(), large):
            answered = client.post("/predict", content=picture)
            assert (answered.status_code, answered.json().get("digit")) == (200, 7), answered.text
        for path in ("/", "/static/page.js", "/docs", "/swagger/swagger-ui-bundle.js"):
            assert client.get(path).status_code == 200, path
