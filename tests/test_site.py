"""The documentation as a site: it has every page, its links lead somewhere, and it loads nothing from other hosts."""

import re
import subprocess
import sys
import tarfile
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt

from support import ROOT

BLOCK = re.compile(r"<(h\d|img|li|pre|tr)\b")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A folder with the contents of the sdist, where `make docs` has run."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True)
    (sdist,) = folder.iterdir()
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    project = folder / sdist.name.removesuffix(".tar.gz")
    installed = ["--old-file=.venv/all", f"BIN={Path(sys.executable).parent}"]
    subprocess.run(["make", *installed, "docs"], cwd=project, check=True)
    return project


def test_the_navigation_has_each_page(project):
    listed = re.findall(r'"([\w/-]+\.md)"', (project / "zensical.toml").read_text())
    source = project / "build" / "docs"
    assert sorted(listed) == sorted(str(page.relative_to(source)) for page in source.rglob("*.md"))


def test_each_link_leads_to_an_anchor_and_nothing_is_loaded_from_another_host(project):
    pages = {path: path.read_text() for path in (project / "site").rglob("*.html")}
    anchors = {path: set(re.findall(r'\bid="([^"]*)"', page)) for path, page in pages.items()}
    for path, page in pages.items():
        assert not re.findall(r'\b(?:src|srcset)="\w+://[^"]*"|<link [^>]*href="\w+://[^"]*"', page)
        for address in map(unescape, re.findall(r'\b(?:src|srcset|href)="([^"]*)"', page)):
            url = urlsplit(address)
            if not url.scheme:
                target = (path.parent / url.path.lstrip("/")).resolve() if url.path else path
                assert target.is_file(), f"{path.name}: {address}"
                assert not url.fragment or url.fragment in anchors.get(target, url.fragment), f"{path.name}: {address}"


def test_each_page_shows_the_lists_tables_and_blocks_that_github_shows(project):
    markdown = MarkdownIt("commonmark").enable("table")
    source = project / "build" / "docs"
    for page in source.rglob("*.md"):
        name = "index" if page.stem == "README" else page.stem
        built = project / "site" / page.relative_to(source).with_name(f"{name}.html")
        article = built.read_text().split("<article")[1].split("</article>")[0]
        assert BLOCK.findall(article) == BLOCK.findall(markdown.render(page.read_text())), page.name
