"""The documentation matches the code, its links lead somewhere, its programs run."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from app.answers import problems, responses
from app.figures import MEASURED
from app.main import create_app
from app.picture.file_formats import FILE_FORMATS
from app.settings import Settings
from app.text.conditions import CHECKS
from app.text.formats import FORMATS, DateOrder
from commands import DIGITS, invoked, tool
from examples import PRINTED, assert_shown, blocks
from paths import MODELS, ROOT
from training import lines, pages, pretrained
from training.train import parse
from training.writing.alphabet import CHARACTERS

README = ROOT / "README.md"
DOCS = ROOT / "docs"
API = DOCS / "api.md"
PROTOCOL = DOCS / "inference-protocol.md"
MAKEFILE = (ROOT / "Makefile").read_text()
CARD = ROOT / "models" / "README.md"
COURSE = ROOT / "app" / "page" / "course.md"
OTHERS = [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES = [README, *sorted(DOCS.glob("*.md")), COURSE, *OTHERS]
SHOWN = {
    "decoders": "number of usable cores, at most 2",
    "workers": "1",
    "second_opinion": "`true`",
}


def words_of_page(page: Path) -> str:
    """Return a page without its code blocks: in them is no heading, and no link."""
    return re.sub(r"(?ms)^```.*?^```$", "", page.read_text())


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes for a page's headings."""
    headings = re.findall(r"(?m)^#+ (.*)$", words_of_page(page).lower())
    words = [re.sub(r"[^\w\- ]", "", heading) for heading in headings]
    return {heading.replace(" ", "-") for heading in words}


def links(page: Path) -> list[str]:
    """List the relative links and pictures of a page."""
    found = re.findall(
        r'\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"', words_of_page(page)
    )
    return [link for link in map("".join, found) if not re.match(r"\w+:", link)]


def run(*command: str, **environment: str) -> str:
    """Run a command; return what it prints."""
    environment = os.environ | environment
    return subprocess.check_output(command, cwd=ROOT, text=True, env=environment)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_leads_to_an_existing_file_and_heading(page):
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_links_to_each_page():
    assert {f"docs/{page.name}" for page in DOCS.glob("*.md")} <= set(links(README))


def test_each_picture_is_shown():
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    sent = re.findall(r"docs/[\w-]+\.png", README.read_text())
    shown.update(ROOT / name for name in sent)
    assert set(DOCS.glob("*.png")) <= shown


def test_each_setting_is_documented():
    page = (DOCS / "configuration.md").read_text()
    rows = re.findall(r"(?m)^\| `DIGITS_(\w+)` \| (.*) \|$", page)
    expected = {}
    for name, field in Settings.model_fields.items():
        default = "none"
        if field.default not in (None, ()):
            default = f"`{field.default}`".replace(f"{ROOT}/", "")
        sentence = " ".join(field.description.split())
        expected[name.upper()] = f"{SHOWN.get(name, default)} | {sentence}"
    assert dict(rows) == expected


def test_each_problem_is_documented():
    row = r"(?m)^\| (\d+) \| `(?:/problems/)?([\w-]+)` \|"
    rows = re.findall(row, API.read_text())
    expected = {(str(each.status), each.name) for each in problems.TYPES.values()}
    assert sorted(rows) == sorted(expected)


def test_each_format_of_pictures_is_documented():
    sentence = r"(?m)^The picture may be a (.*?)\."
    listed = re.search(sentence, API.read_text())[1].upper()
    names = re.split(", | OR ", listed.replace(" (HEIC)", ""))
    assert set(names) == {*FILE_FORMATS, "PDF"}


def test_each_form_of_numbers_is_documented_and_on_the_page():
    section = API.read_text().partition("### Formats\n")[2].partition("\n### ")[0]
    assert {*re.findall(r"(?m)^\| `(\w+)` \|", section)} == {*FORMATS}
    page = (ROOT / "app" / "page" / "index.html").read_text()
    assert {*re.findall(r"\bformat=(\w+)", page)} == {*FORMATS}
    assert {*re.findall(r"\bdate=(\w+)", page)} == {*get_args(DateOrder)}
    checks = page.partition('<select name="check">')[2].partition("</select>")[0]
    assert {*re.findall(r'value="(\w+)"', checks)} == {*CHECKS}


def test_each_sign_beyond_ascii_is_documented():
    section = API.read_text().partition("### Other characters\n")[2]
    assert all(sign.isascii() or f"`{sign}`" in section for sign in CHARACTERS)


def test_each_route_parameter_and_field_is_documented():
    text = API.read_text()
    routes = re.findall(r"`(?:(?:GET|POST) )?(/[\w/]*)`", text)
    parameters = re.findall(r"[?&`](\w+)=", text)
    for path, methods in create_app().openapi()["paths"].items():
        if path.startswith("/v2"):
            continue
        assert re.sub(r"\{\w+\}", "17", path) in routes
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query":
                    assert parameter["name"] in parameters
    fields = set(re.findall(r"(?<=[`\".])\w+|\w+(?=[`\"])", text))
    for model in vars(responses).values():
        if isinstance(model, type) and issubclass(model, BaseModel):
            assert model.model_fields.keys() <= fields


# Other tests run the programs of these.
TESTED_ELSEWHERE = (COURSE, PROTOCOL)


def with_blocks(language: str) -> list[Path]:
    """List the pages with programs in a language."""
    pages = [page for page in PAGES if page not in TESTED_ELSEWHERE]
    return [page for page in pages if blocks(page, language)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [*with_blocks("console"), PROTOCOL], ids=lambda page: page.name
)
def test_the_console_sessions_run_as_written(page, url):
    sessions = "".join(blocks(page, "console"))
    commands = re.findall(r"(?m)^\$ (.*)\n((?:[^$].*\n)*)", sessions)
    assert commands
    for command, shown in commands:
        command = command.replace("http://127.0.0.1:8000", url)
        command = command.replace(".venv/bin/digits", DIGITS)
        assert_shown(shown, run("sh", "-c", command, DIGITS_URL=url))


def assert_prints_its_comments(program: str, url: str, *command: str) -> None:
    shown = "\n".join(PRINTED.findall(program))
    assert shown
    program = program.replace("http://127.0.0.1:8000", url)
    assert_shown(shown, run(*command, program))


@pytest.mark.slow
@pytest.mark.parametrize("page", with_blocks("python"), ids=lambda page: page.name)
def test_the_python_programs_print_what_their_comments_say(page, url):
    for program in blocks(page, "python"):
        assert_prints_its_comments(program, url, sys.executable, "-c")


@pytest.mark.slow
@pytest.mark.parametrize("page", with_blocks("javascript"), ids=lambda page: page.name)
def test_the_javascript_programs_print_what_their_comments_say(page, url):
    node = tool("node", "--input-type=module", "--eval")
    for program in blocks(page, "javascript"):
        assert_prints_its_comments(program, url, *node)


@pytest.mark.parametrize(
    "options", re.findall(r'make train ARGS="(.*)"', (DOCS / "training.md").read_text())
)
def test_the_training_examples_are_valid(options):
    parse(options.split())


def test_the_model_card_is_that_of_the_files():
    card = CARD.read_text()
    for file in MODELS:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert f"`{digest[:12]}`" in card


def test_the_pages_have_the_number_of_errors_of_the_model_card():
    alone, both = re.findall(r"\((\d+) of 10,000", CARD.read_text())
    for page in (README, DOCS / "accuracy.md"):
        assert f"({alone} of 10,000" in page.read_text()
    course = COURSE.read_text()
    assert f"misreads {alone} of 10,000 test digits" in course
    assert f"{both} of the 10,000 test digits are misread, not {alone}" in course


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def test_the_model_card_and_info_say_of_which_pictures_each_figure_is(
    classifier, line_network
):
    card = unwrapped(CARD.read_text())
    accuracy = unwrapped((DOCS / "accuracy.md").read_text())
    shown = unwrapped(invoked("info", "--local").stdout)
    for name, network in (("digits", classifier), ("lines", line_network)):
        for figure, pictures in MEASURED[name].items():
            assert f"{network.metadata[figure]} ({pictures})" in shown
            assert pictures in card
    for error in (
        classifier.metadata["test_error_percent"],
        line_network.metadata["validation_error_percent"],
    ):
        assert f"{error} %" in card
        assert f"{error} %" in accuracy


@pytest.mark.parametrize(
    ("module", "options", "fetches"),
    [
        (lines, "--threads 1", True),
        (lines, "--pictures DIR", False),
        (pages, "", True),
        (pages, "--pretrained FILE", False),
    ],
)
def test_make_fetches_a_pretrained_network_only_if_training_starts_from_it(
    module, options, fetches
):
    original = module.PRETRAINED
    dry_run = ("make", "--dry-run", "--always-make")
    commands = run(*dry_run, original.target, f"ARGS={options}")
    wheel = pretrained.WHEEL.replace(" ", "==")
    assert (f"echo '{wheel} --hash=sha256:" in commands) is fetches
    assert f"-m {module.__name__} {options}" in commands
    assert f" := {pretrained.SHOWN}/{original.name}\n" in MAKEFILE
