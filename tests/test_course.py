"""The course's snippets and commands run as written, with the sample in place of MNIST."""

import re
import shutil
import subprocess
from contextlib import redirect_stdout
from io import StringIO

import pytest

from support import PRINTED, ROOT, assert_shown, blocks, tool
from training import data, train

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
    """A working directory with MNIST already downloaded, the committed models, and 100
    validation digits.
    """
    shutil.copytree(sample_mnist, tmp_path / "data")
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "VALIDATION_IMAGES", 100)


@pytest.mark.slow
def test_the_snippets_run_in_order_and_print_what_their_comments_say(beside_mnist):
    session: dict = {}
    for snippet in blocks(COURSE, "python"):
        with redirect_stdout(StringIO()) as printed:
            exec(snippet, session)
        if shown := PRINTED.findall(snippet):
            assert_shown("\n".join(shown), printed.getvalue())
    assert session["accuracy"] > 0.5
    assert (
        session["transferred"] > max(session["before"], session["from_nothing"]) + 0.04
    )


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
        assert re.search(
            rf"^(?:def |class |){name}\b", (ROOT / path).read_text(), re.MULTILINE
        ), (path, name)
    assert all(
        (ROOT / path).exists()
        for path in re.findall(r"`(training/\w+\.py)`", COURSE.read_text())
    )


@pytest.mark.slow
def test_the_commands_run(beside_mnist):
    assert COMMANDS
    for program, options in COMMANDS:
        if program == ".venv/bin/tensorboard":
            subprocess.run(
                tool("tensorboard", *options.split(), "--inspect"), check=True
            )
        else:
            chosen = options.removeprefix('ARGS="').removesuffix('"').split()
            assert (
                train.main(
                    [*chosen, "--data", "data", "--threads", "1", "--precision", "fp32"]
                )
                == 0
            )
