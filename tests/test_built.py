"""What is built: the sdist, the wheel, and, from the sdist, the site of the docs."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit
from zipfile import ZipFile

import httpx2
import pytest
from pathspec import GitIgnoreSpec
from PIL import Image

from paths import MODELS, ROOT
from pictures import encode
from services import serving

SEVEN = ROOT / "docs" / "seven.png"

pytestmark = pytest.mark.slow


def python(*arguments: object, folder: Path = ROOT) -> None:
    """Run a module of Python's in a folder."""
    command = [sys.executable, "-m", *map(str, arguments)]
    subprocess.run(command, cwd=folder, check=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the checkout's sdist and wheel."""
    folder = tmp_path_factory.mktemp("built")
    python("hatchling", "build", "--directory", folder)
    return folder


@pytest.fixture(scope="module")
def sdist(built) -> Path:
    return next(built.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def project(sdist, tmp_path_factory) -> Path:
    """A folder with the contents of the sdist."""
    folder = tmp_path_factory.mktemp("project")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A virtual environment with the wheel, and the dependencies of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    pip = ["pip", "--disable-pip-version-check", "--python", folder]
    python(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel)
    packages = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
    # A path from a .pth file comes after the environment's own, and .pth files in it
    # (editable installs) are ignored.
    Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def test_the_wheel_has_the_models_and_all_files_of_the_service_and_nothing_else(wheel):
    files = set()
    for path in (ROOT / "app").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            files.add(path.relative_to(ROOT).as_posix())
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        for model in MODELS:
            assert archive.read(f"app/{model.name}") == model.read_bytes()
    assert files <= set(names)
    package = wheel.name.rsplit("-", 3)[0]
    folders = {name.partition("/")[0] for name in names}
    assert folders == {"app", f"{package}.dist-info"}


def test_the_wheel_has_each_licence(wheel):
    with ZipFile(wheel) as archive:
        paths = [Path(name) for name in archive.namelist() if "/licenses/" in name]
    names = {path.name for path in paths}
    assert {"LICENSE", "NOTICE", "LICENSE-PaddleOCR", "NOTICE-PaddleOCR"} <= names


def test_the_sdist_has_nothing_that_git_ignores_and_builds_the_same_wheel(
    project, sdist, wheel
):
    with tarfile.open(sdist) as archive:
        files = [name.partition("/")[2] for name in archive.getnames()]
    ignored = GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text().splitlines())
    assert "README.md" in files
    assert list(ignored.match_files(files)) == []
    python("hatchling", "build", "--target", "wheel", folder=project)
    assert (project / "dist" / wheel.name).read_bytes() == wheel.read_bytes()


def test_pypi_accepts_both(sdist, wheel):
    python("twine", "check", "--strict", sdist, wheel)


def test_the_installed_command_works_beside_another_package_named_app(
    installed, tmp_path, monkeypatch
):
    scripts = sysconfig.get_path("scripts", "venv", {"base": str(installed)})
    program = f"{scripts}/digits"
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name == "PYTHONPATH" or name.startswith("DIGITS_"):
            monkeypatch.delenv(name)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()

    def answer(*arguments: str) -> dict:
        command = [program, *arguments, "--local", "--json"]
        return json.loads(subprocess.check_output(command))

    assert answer("predict", str(SEVEN))["digit"] == 7
    models = answer("info")["models"]
    for name in ("digits", "lines", "pages"):
        assert Path(models[name]["file"]).is_relative_to(installed)
    # Decoded by another process.
    enlarged = Image.open(SEVEN).resize((800, 800))
    with serving("--workers", "2", program=program) as (_, url):
        large = encode(enlarged, "JPEG")
        answered = httpx2.post(f"{url}/predict", content=large, timeout=20)
        assert answered.json()["digit"] == 7


@pytest.fixture(scope="module")
def site(project) -> Path:
    """The project's folder, where `make docs` has run."""
    installed = ["--old-file=.venv/all", f"BIN={Path(sys.executable).parent}"]
    subprocess.run(["make", *installed, "docs"], cwd=project, check=True)
    return project / "site"


def test_the_navigation_has_each_page(project, site):
    listed = re.findall(r'"([\w/-]+\.md)"', (project / "zensical.toml").read_text())
    source = project / "build" / "docs"
    pages = [str(page.relative_to(source)) for page in source.rglob("*.md")]
    assert sorted(listed) == sorted(pages)


def test_each_link_leads_to_an_anchor_and_nothing_is_loaded_from_another_host(site):
    pages = {path: path.read_text() for path in site.rglob("*.html")}
    anchors = {}
    for path, page in pages.items():
        anchors[path] = re.findall(r'\bid="([^"]*)"', page)
    for path, page in pages.items():
        assert not re.search(r'\b(?:src|srcset)="\w+://', page)
        assert not re.search(r'<link [^>]*href="\w+://', page)
        for address in re.findall(r'\b(?:src|srcset|href)="([^"]*)"', page):
            url = urlsplit(unescape(address))
            if url.scheme:
                continue
            target = path
            if url.path:
                target = (path.parent / url.path.lstrip("/")).resolve()
            assert target.is_file(), f"{path.name}: {address}"
            if url.fragment and target in anchors:
                assert url.fragment in anchors[target], f"{path.name}: {address}"
