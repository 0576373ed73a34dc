"""What is built: the sdist, the wheel, and the documentation as a site, made from the
sdist.
"""

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
from markdown_it import MarkdownIt
from pathspec import GitIgnoreSpec
from PIL import Image

from support import MODELS, ROOT, encode, serving

SEVEN = ROOT / "docs" / "seven.png"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The checkout's sdist and wheel."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
    )
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def project(built, tmp_path_factory) -> Path:
    """A folder with the contents of the sdist."""
    folder = tmp_path_factory.mktemp("project")
    with tarfile.open(built[0]) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """A virtual environment with the wheel; its dependencies come from the test
    environment.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    install = [
        "--python",
        str(folder),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(built[1]),
    ]
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *install],
        check=True,
    )
    packages = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
    # A path from a .pth file comes after the environment's own, and .pth files in it
    # (editable installs) are ignored.
    Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def test_the_wheel_has_the_models_and_all_files_of_the_service_and_nothing_else(built):
    files = [
        path
        for path in (ROOT / "app").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    with ZipFile(built[1]) as archive:
        assert {path.relative_to(ROOT).as_posix() for path in files} <= set(
            archive.namelist()
        )
        for model in MODELS:
            assert archive.read(f"app/{model.name}") == model.read_bytes()
        folders = {name.partition("/")[0] for name in archive.namelist()}
        assert folders == {"app", f"{built[1].name.rsplit('-', 3)[0]}.dist-info"}


def test_the_wheel_has_each_licence(built):
    with ZipFile(built[1]) as archive:
        names = archive.namelist()
        texts = {
            Path(name).name: archive.read(name).decode()
            for name in names
            if ".dist-info/licenses/" in name
        }
    assert {
        "LICENSE",
        "NOTICE",
        "LICENSE-PaddleOCR",
        "NOTICE-PaddleOCR",
    } <= texts.keys()
    assert "PaddlePaddle Authors" in texts["LICENSE-PaddleOCR"]
    for name in ("rec", "det"):
        assert (
            f"modified version of PP-OCRv6_{name}_small.onnx"
            in texts["NOTICE-PaddleOCR"]
        )


def test_the_sdist_has_nothing_that_git_ignores_and_builds_the_same_wheel(
    project, built
):
    with tarfile.open(built[0]) as archive:
        files = [name.partition("/")[2] for name in archive.getnames()]
    ignored = GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text().splitlines())
    assert "README.md" in files
    assert list(ignored.match_files(files)) == []
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel"],
        cwd=project,
        check=True,
    )
    assert (project / "dist" / built[1].name).read_bytes() == built[1].read_bytes()


def test_pypi_accepts_both(built):
    subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *map(str, built)],
        check=True,
    )


def test_the_installed_command_works_beside_another_package_named_app(
    installed, tmp_path, monkeypatch
):
    command = (
        sysconfig.get_path("scripts", "venv", {"base": str(installed)}) + "/digits"
    )
    monkeypatch.setattr("support.DIGITS", command)
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name == "PYTHONPATH" or name.startswith("DIGITS_"):
            monkeypatch.delenv(name)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()

    def answer(*arguments: str) -> dict:
        return json.loads(
            subprocess.check_output([command, *arguments, "--local", "--json"])
        )

    assert answer("predict", str(SEVEN))["digit"] == 7
    models = answer("info")["models"]
    assert all(
        Path(models[name]["file"]).is_relative_to(installed)
        for name in ("digits", "lines", "pages")
    )
    # Decoded by another process.
    large = encode(Image.open(SEVEN).resize((800, 800)), "JPEG")
    with (
        serving("--workers", "2") as (_, url),
        httpx2.Client(base_url=url, timeout=20) as client,
    ):
        for picture in (SEVEN.read_bytes(), large):
            answered = client.post("/predict", content=picture)
            assert (answered.status_code, answered.json().get("digit")) == (200, 7), (
                answered.text
            )
        for path in (
            "/",
            "/course",
            "/static/page.js",
            "/docs",
            "/swagger/swagger-ui-bundle.js",
        ):
            assert client.get(path).status_code == 200, path


@pytest.fixture(scope="module")
def site(project) -> Path:
    """The project's folder, where `make docs` has run."""
    installed = ["--old-file=.venv/all", f"BIN={Path(sys.executable).parent}"]
    subprocess.run(["make", *installed, "docs"], cwd=project, check=True)
    return project / "site"


def test_the_navigation_has_each_page(project, site):
    listed = re.findall(r'"([\w/-]+\.md)"', (project / "zensical.toml").read_text())
    source = project / "build" / "docs"
    assert sorted(listed) == sorted(
        str(page.relative_to(source)) for page in source.rglob("*.md")
    )


def test_each_link_leads_to_an_anchor_and_nothing_is_loaded_from_another_host(site):
    pages = {path: path.read_text() for path in site.rglob("*.html")}
    anchors = {
        path: set(re.findall(r'\bid="([^"]*)"', page)) for path, page in pages.items()
    }
    for path, page in pages.items():
        assert not re.findall(
            r'\b(?:src|srcset)="\w+://[^"]*"|<link [^>]*href="\w+://[^"]*"', page
        )
        for address in map(
            unescape, re.findall(r'\b(?:src|srcset|href)="([^"]*)"', page)
        ):
            url = urlsplit(address)
            if not url.scheme:
                target = (
                    (path.parent / url.path.lstrip("/")).resolve() if url.path else path
                )
                assert target.is_file(), f"{path.name}: {address}"
                assert not url.fragment or url.fragment in anchors.get(
                    target, url.fragment
                ), f"{path.name}: {address}"


def test_each_page_shows_the_lists_tables_and_blocks_that_github_shows(project, site):
    block, markdown = (
        re.compile(r"<(h\d|img|li|pre|tr)\b"),
        MarkdownIt("commonmark").enable("table"),
    )
    source = project / "build" / "docs"
    for page in source.rglob("*.md"):
        name = "index" if page.stem == "README" else page.stem
        built = site / page.relative_to(source).with_name(f"{name}.html")
        article = built.read_text().split("<article")[1].split("</article>")[0]
        assert block.findall(article) == block.findall(
            markdown.render(page.read_text())
        ), page.name
