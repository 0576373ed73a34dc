"""The documentation matches the code: settings, errors, modules, commands, programs.
Its links work.
"""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from app.answers import problems
from app.figures import MEASURED
from app.main import create_app
from app.picture.formats import FORMATS
from app.settings import Settings
from app.text.forms import GRAMMARS, DateOrder
from support import DIGITS, MODELS, PRINTED, ROOT, assert_shown, blocks, invoked, tool
from training import lines, pages, pretrained
from training.alphabet import CHARACTERS
from training.config import parse

README = ROOT / "README.md"
DOCS = ROOT / "docs"
API, PROTOCOL = DOCS / "api.md", DOCS / "inference-protocol.md"
CARD, COURSE = ROOT / "models" / "README.md", ROOT / "app" / "page" / "course.md"
OTHERS = ("app/page/course.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
PAGES = [README, *sorted(DOCS.glob("*.md")), *(ROOT / name for name in OTHERS)]
ANSWERS = (
    "Prediction",
    "Explanation",
    "Text",
    "Line",
    "Digit",
    "Mark",
    "Document",
    "Page",
    "Box",
)
MOST_BYTES = 6000  # of the README, to be read in a minute
SHOWN = {
    "decoders": "number of usable cores, at most 2",
    "workers": "1",
    "second_opinion": "`true`",
    **dict.fromkeys(
        ("api_keys", "api_keys_file", "cors_origins", "corrections_dir"), "none"
    ),
}


def text_of(page: Path) -> str:
    """Return a page without its code blocks, which may contain what looks like a
    heading or a link.
    """
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes for a page's headings."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


def links(page: Path) -> list[str]:
    """List the relative links and pictures of a page."""
    found = re.findall(r'\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"', text_of(page))
    return [link for link in map("".join, found) if not re.match(r"\w+:", link)]


def run(*command: str, **environment: str) -> str:
    """Run a command; return what it prints."""
    environment = {**os.environ, **environment}
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, env=environment
    ).stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_leads_to_an_existing_file_and_heading(page):
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short_and_links_to_each_page():
    assert len(README.read_bytes()) <= MOST_BYTES
    assert {f"docs/{page.name}" for page in DOCS.glob("*.md")} <= set(links(README))


def test_each_picture_is_shown():
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    sent = {
        DOCS / name for name in re.findall(r"docs/([\w-]+\.png)", README.read_text())
    }
    assert set(DOCS.glob("*.png")) <= shown | sent


def test_each_setting_is_documented():
    rows = dict(
        re.findall(
            r"^\| `DIGITS_(\w+)` \| (.*) \|$",
            (DOCS / "configuration.md").read_text(),
            re.MULTILINE,
        )
    )
    expected = {}
    for name, field in Settings.model_fields.items():
        shown = SHOWN.get(name) or f"`{str(field.default).removeprefix(f'{ROOT}/')}`"
        sentence = " ".join(field.description.split())
        expected[name.upper()] = f"{shown} | {sentence}"
    assert rows == expected


def test_each_problem_is_documented():
    rows = re.findall(
        r"^\| (\d+) \| `(?:/problems/)?([\w-]+)` \|", API.read_text(), re.MULTILINE
    )
    assert sorted(rows) == sorted(
        {(str(each.status), each.name) for each in problems.TYPES.values()}
    )


def test_each_format_of_pictures_is_documented():
    listed = re.search(r"^The picture may be a (.*?)\.", API.read_text(), re.MULTILINE)[
        1
    ].replace(" (HEIC)", "")
    assert {name.upper() for name in re.split(", | or ", listed)} == {*FORMATS, "PDF"}


def test_each_form_of_numbers_is_documented_and_on_the_page():
    section = API.read_text().partition("### Formats\n")[2].partition("\n### ")[0]
    assert {*re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)} == {*GRAMMARS}
    page = (ROOT / "app" / "page" / "index.html").read_text()
    assert {*re.findall(r"\bformat=(\w+)", page)} == {*GRAMMARS}
    assert {*re.findall(r"\bdate=(\w+)", page)} == {*get_args(DateOrder)}


def test_each_sign_beyond_ascii_is_documented():
    section = API.read_text().partition("### Other characters\n")[2]
    assert all(sign.isascii() or f"`{sign}`" in section for sign in CHARACTERS)


def test_each_route_parameter_and_field_is_documented():
    document, text = create_app().openapi(), API.read_text()
    paths = {
        path: methods
        for path, methods in document["paths"].items()
        if not path.startswith("/v2")
    }
    routes = re.findall(r"`(?:(?:GET|POST) )?(/[\w/]*)`", text)
    assert {re.sub(r"\{\w+\}", "17", path) for path in paths} <= {*routes}
    operations = [
        operation for methods in paths.values() for operation in methods.values()
    ]
    parameters = [
        each for operation in operations for each in operation.get("parameters", [])
    ]
    assert {each["name"] for each in parameters if each["in"] == "query"} <= {
        *re.findall(r"[?&`](\w+)=", text)
    }
    answers = [document["components"]["schemas"][name] for name in ANSWERS]
    assert {field for answer in answers for field in answer["properties"]} <= {
        *re.findall(r"`(?:\w+\[\]\.)?(\w+)`", text)
    }


def with_blocks(language: str) -> list[Path]:
    """List the pages with programs; other tests run those of the course and of
    third-party clients.
    """
    return [
        page
        for page in PAGES
        if page.stem not in ("course", "inference-protocol") and blocks(page, language)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [*with_blocks("console"), PROTOCOL], ids=lambda page: page.name
)
def test_the_console_sessions_run_as_written(page, url):
    commands = re.findall(
        r"^\$ (.*)\n((?:[^$].*\n)*)", "".join(blocks(page, "console")), re.MULTILINE
    )
    assert commands
    for command, shown in commands:
        command = command.replace("http://127.0.0.1:8000", url).replace(
            ".venv/bin/digits", DIGITS
        )
        assert_shown(shown, run("sh", "-c", command, DIGITS_URL=url))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "language"),
    [
        (page, language)
        for language in ("python", "javascript")
        for page in with_blocks(language)
    ],
    ids=lambda each: getattr(each, "name", each),
)
def test_the_programs_print_what_their_comments_say(page, language, url):
    for program in blocks(page, language):
        shown = "\n".join(PRINTED.findall(program))
        assert shown
        command = (
            [sys.executable, "-c"]
            if language == "python"
            else tool("node", "--input-type=module", "--eval")
        )
        assert_shown(
            shown, run(*command, program.replace("http://127.0.0.1:8000", url))
        )


@pytest.mark.parametrize(
    "options", re.findall(r'make train ARGS="(.*)"', (DOCS / "training.md").read_text())
)
def test_the_training_examples_are_valid(options):
    parse(options.split())


def test_the_model_card_is_that_of_the_files():
    card = CARD.read_text()
    assert all(
        f"`{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}`" in card
        for file in MODELS
    )


def test_the_pages_have_the_number_of_errors_of_the_model_card():
    alone, both = re.findall(r"\((\d+) of 10,000", CARD.read_text())
    assert all(
        f"({alone} of 10,000" in page.read_text()
        for page in (README, DOCS / "accuracy.md")
    )
    assert f"misreads {alone} of 10,000 test digits" in COURSE.read_text()
    assert (
        f"{both} of the 10,000 test digits are misread, not {alone}"
        in COURSE.read_text()
    )


def test_the_model_card_and_info_say_of_which_pictures_each_figure_is(
    classifier, line_network
):
    card, accuracy, shown = (
        " ".join(text.split())
        for text in (
            CARD.read_text(),
            (DOCS / "accuracy.md").read_text(),
            invoked("info", "--local").stdout,
        )
    )
    for name, network in (("digits", classifier), ("lines", line_network)):
        figures = {
            figure
            for figure in network.metadata
            if re.search("error|loss|seeds", figure)
        }
        assert figures == MEASURED[name].keys()
        for figure, of in MEASURED[name].items():
            assert f"{network.metadata[figure]} ({of})" in shown
            assert of in card
    for error in (
        classifier.metadata["test_error_percent"],
        line_network.metadata["validation_error_percent"],
    ):
        assert f"{error} %" in card
        assert f"{error} %" in accuracy


def test_make_help_lists_every_target():
    targets = re.search(
        r"^.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )[1].split()
    shown = run("make", "--no-print-directory", "help")
    assert [line.split("\t")[0] for line in shown.splitlines()] == targets


@pytest.mark.parametrize(
    ("module", "options", "fetches"),
    [
        (lines, "", True),
        (lines, "--threads 1", True),
        (lines, "--pictures DIR", False),
        (pages, "", True),
        (pages, "--output FILE", True),
        (pages, "--pretrained FILE", False),
    ],
)
def test_make_fetches_a_pretrained_network_only_if_training_starts_from_it(
    module, options, fetches
):
    original, wheel = module.PRETRAINED, pretrained.WHEEL.replace(" ", "==")
    commands = run(
        "make", "--dry-run", "--always-make", original.target, f"ARGS={options}"
    )
    assert (f"echo '{wheel} --hash=sha256:" in commands) is fetches
    assert f"-m {module.__name__} {options}" in commands
    assert (
        f" := {pretrained.SHOWN}/{original.name}\n" in (ROOT / "Makefile").read_text()
    )


def test_an_environment_that_could_not_be_set_up_is_not_kept(tmp_path):
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\nif [ "$2" = venv ]; then mkdir -p .venv/bin; touch '
        ".venv/bin/python; exit 1; fi\n"
    )
    python.chmod(0o755)
    target = ".venv/bin/python"
    done = subprocess.run(
        ["make", "--makefile", ROOT / "Makefile", f"PYTHON={python}", target],
        cwd=tmp_path,
    )
    assert done.returncode != 0
    assert not (tmp_path / target).exists()
