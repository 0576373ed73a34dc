"""The course's snippets and commands run as written, on a sample of MNIST."""

import re
import shutil
import subprocess
from contextlib import redirect_stdout
from io import StringIO

import pytest

from commands import tool
from examples import PRINTED, assert_shown, blocks
from paths import ROOT
from training import train

COURSE = ROOT / "app" / "page" / "course.md"
SECTIONS = COURSE.read_text().split("\n## ")[1:]
COMMANDS = re.findall(
    r"^    (make train|\.venv/bin/tensorboard) (.*)$", COURSE.read_text(), re.MULTILINE
)
POINTERS = re.findall(
    r"^\*In Digits:\* `(\w+)` in `([^`]+)`", COURSE.read_text(), re.MULTILINE
)


@pytest.fixture
def beside_mnist(sample_mnist, tmp_path, monkeypatch):
    """A working directory with the committed models and MNIST already downloaded."""
    shutil.copytree(sample_mnist, tmp_path / "data")
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_the_snippets_run_in_order_and_print_what_their_comments_say(beside_mnist):
    session: dict = {}
    for snippet in blocks(COURSE, "python"):
        with redirect_stdout(StringIO()) as printed:
            exec(snippet, session)
        if shown := PRINTED.findall(snippet):
            assert_shown("\n".join(shown), printed.getvalue())
    assert session["accuracy"] > 0.5
    others = max(session["before"], session["from_nothing"])
    assert session["transferred"] > others + 0.04


def test_each_snippet_is_short_and_can_be_pasted_into_a_session():
    for snippet in blocks(COURSE, "python"):
        assert snippet.count("\n") <= 10
        # Before Python 3.13, an empty line has to end a block.
        assert not re.search(r"^ .*\n\S", snippet, re.MULTILINE)


def test_each_snippet_is_followed_by_its_counterpart_in_digits():
    with_snippets = [section for section in SECTIONS if "```python" in section]
    assert len(POINTERS) == len(with_snippets) > 0
    assert all("*In Digits:*" in section.rsplit("```")[-1] for section in with_snippets)
    for name, path in POINTERS:
        definition = rf"^(?:def |class |){name}\b"
        assert re.search(definition, (ROOT / path).read_text(), re.MULTILINE), path
    for path in re.findall(r"`(training/[\w/]+\.py)`", COURSE.read_text()):
        assert (ROOT / path).exists()


@pytest.mark.slow
def test_the_commands_run(beside_mnist):
    assert COMMANDS
    for program, options in COMMANDS:
        if program == ".venv/bin/tensorboard":
            inspect = tool("tensorboard", *options.split(), "--inspect")
            subprocess.run(inspect, check=True)
        else:
            chosen = options.removeprefix('ARGS="').removesuffix('"')
            chosen += " --data data --threads 1 --precision fp32"
            assert train.main(chosen.split()) == 0
