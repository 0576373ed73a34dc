"""What new users need: help, version, completion, `python -m app` and `make run`."""

import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from app.cli import options
from app.settings import Settings
from commands import invoked
from paths import ROOT

COMMANDS = [
    "serve",
    "predict",
    "read",
    "threshold",
    "info",
    "bulk",
    "corrections",
    "forms",
]


def help_of(*command: str) -> str:
    """Return a command's help, on one line."""
    return re.sub(r"\s+", " ", invoked(*command, "--help").stdout)


def test_help_lists_and_describes_each_command():
    for done in (invoked("--help"), invoked()):
        assert (
            re.findall(r"^  (\w+)  +[A-Z].*\.$", done.output, re.MULTILINE) == COMMANDS
        )


@pytest.mark.parametrize(
    "command", [*COMMANDS, "corrections export", "forms new", "forms check"]
)
def test_help_is_narrow_and_has_no_type_names(command):
    done = invoked(*command.split(), "--help")
    assert done.exit_code == 0
    assert done.stdout == invoked(*command.split(), "-h").stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not re.search(r"INTEGER|RANGE|TEXT|PATH|\bNone\b", done.stdout)
    texts = re.findall(r"^  --\w.*?  (.*)$", done.stdout, re.MULTILINE)
    assert all(re.search(r"[A-Z].*\.", text) for text in texts)


def test_help_shows_the_defaults(monkeypatch):
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    for name in ("host", "port", "workers"):
        default = Settings.model_fields[name].get_default(call_default_factory=True)
        assert f"[default: (DIGITS_{name.upper()}, else {default})]" in help_of("serve")
    assert (
        f"--url URL URL of the service. [env var: DIGITS_URL; default: {options.URL}]"
        in help_of("predict")
    )
    assert (
        f"[default: ({options.AT_ONCE}; with --local, one per core); x>=1]"
        in help_of("predict")
    )


def test_the_version_is_printed():
    done = subprocess.run(
        [sys.executable, "-m", "app", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"digits {version('digits')}\n",
        "",
    )


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("digits pre", ["predict"]),
        ("digits predict --j", ["--json", "--jobs"]),
        ("digits predict 7.p", []),
    ],
)
def test_a_shell_completes_commands_and_options(line, offered):
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    assert invoked(_DIGITS_COMPLETE="complete_bash", **words).stdout.split() == offered


@pytest.mark.parametrize(
    ("variables", "command"),
    [
        (["PORT=8080", "ARGS=--workers 2"], "digits serve --port 8080 --workers 2"),
        (["PORT="], "digits serve"),
    ],
)
def test_make_run_takes_a_port_and_options(variables, command):
    make = ["make", "--dry-run", "--no-print-directory", "run", *variables]
    shown = subprocess.run(
        make, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert shown.splitlines()[-1].strip().endswith(command)
