"""The README says what the code does: settings, errors, tree, commands."""

import os
import re
import subprocess
import sys

import pytest

from app.preprocess.formats import FORMATS
from app.settings import Settings
from app.web import problems
from support import DIGITS, ROOT, serving
from training.config import parse

README = (ROOT / "README.md").read_text()


SHOWN = {"decoders": "number of usable cores, at most 2", "workers": "1", "api_keys": "none", "cors_origins": "none"}


def test_each_setting_has_its_row():
    rows = dict(re.findall(r"^\| `DIGITS_(\w+)` \| (.*) \|$", README, re.MULTILINE))
    expected = {}
    for name, field in Settings.model_fields.items():
        shown = SHOWN.get(name) or f"`{str(field.default).removeprefix(f'{ROOT}/')}`"
        expected[name.upper()] = f"{shown} | {field.description}"
    assert rows == expected


def test_each_problem_has_its_row():
    rows = re.findall(r"^\| (\d+) \| `/problems/([\w-]+)` \|", README, re.MULTILINE)
    assert sorted(rows) == sorted({(str(kind.status), kind.name) for kind in problems.KINDS.values()})


def test_each_format_is_named():
    assert all(format in README.upper() for format in FORMATS)


def test_each_module_stands_in_the_tree():
    tree = README.split("## What is where")[1].split("## Dependencies")[0]
    modules = [path.stem for name in ("app", "training") for path in (ROOT / name).rglob("*.py")]
    assert sorted(re.findall(r"^ {6,}(\w+)\.py ", tree, re.MULTILINE)) == sorted(
        name for name in modules if name != "__init__"
    )


@pytest.mark.slow
def test_the_console_sessions_run_as_written():
    sessions = "".join(re.findall(r"```console\n(.*?)```", README, re.DOTALL))
    commands = re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", sessions, re.MULTILINE)
    assert len(commands) == 6
    with serving() as (_, url):
        for command, shown in commands:
            command = command.replace("http://127.0.0.1:8000", url).replace(".venv/bin/digits", DIGITS)
            environment = {**os.environ, "DIGITS_URL": url}
            done = subprocess.run(
                command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True, env=environment
            )
            assert re.fullmatch(re.escape(shown.strip()).replace("…", ".*"), done.stdout.strip())


@pytest.mark.slow
def test_the_python_program_runs_as_written():
    program = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    with serving() as (_, url):
        program = program.replace("http://127.0.0.1:8000", url)
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("7 0.99")


@pytest.mark.parametrize("options", re.findall(r'make train ARGS="(.*)"', README))
def test_the_training_examples_are_valid(options):
    parse(options.split())


def test_the_numbers_are_the_model_cards():
    card = (ROOT / "models" / "README.md").read_text()
    errors = re.search(r"\((\d+) of 10,000", card)[1]
    assert f"({errors} of 10,000;" in README


def test_make_help_lists_every_target():
    targets = re.search(r"^.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert [line.split("\t")[0] for line in shown.splitlines()] == targets
