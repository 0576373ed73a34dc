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
TEXT = COURSE.read_text()
COMMANDS = re.findall(r"(?m)^    (make train|\.venv/bin/tensorboard) (.*)$", TEXT)
POINTERS = re.findall(r"(?m)^\*In Digits:\* `(\w+)` in `([^`]+)`", TEXT)


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
        # Pasted into a session, a block ends with an empty line before Python 3.13.
        assert not re.search(r"(?m)^ .*\n\S", snippet)
        with redirect_stdout(StringIO()) as printed:
            exec(snippet, session)
        if shown := PRINTED.findall(snippet):
            assert_shown("\n".join(shown), printed.getvalue())
    assert session["accuracy"] > 0.5
    others = max(session["before"], session["from_nothing"])
    assert session["transferred"] > others + 0.04


def test_the_counterparts_of_the_snippets_in_digits_exist():
    assert POINTERS
    for name, path in POINTERS:
        definition = rf"(?m)^(?:def |class |){name}\b"
        assert re.search(definition, (ROOT / path).read_text()), path
    for path in re.findall(r"`(training/[\w/]+\.py)`", TEXT):
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
