"""What a new user needs first: help, version, completion, `python -m app`, `make run`."""

import os
import re
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from app.cli import options
from app.cli.commands import cli
from app.settings import Settings
from support import DIGITS, ROOT

COMMANDS = ["serve", "predict", "read", "info", "bulk", "corrections"]
COLUMNS = {"COLUMNS": "80", "TERMINAL_WIDTH": "80"}


def help_of(*command: str, option: str = "--help") -> str:
    done = CliRunner().invoke(cli, [*command, option], env=COLUMNS)
    assert done.exit_code == 0
    return done.stdout


def test_help_lists_and_describes_each_command():
    shown = help_of()
    assert re.findall(r"^  (\w+)  +[A-Z].*\.$", shown, re.MULTILINE) == COMMANDS


@pytest.mark.parametrize("command", [*COMMANDS, "corrections export"])
def test_help_is_narrow_and_has_no_type_names(command):
    shown = help_of(*command.split())
    assert shown == help_of(*command.split(), option="-h")
    assert max(map(len, shown.splitlines())) <= 80
    assert not re.search(r"INTEGER|RANGE|TEXT|PATH|<|\bNone\b|x>=", shown)
    assert all(re.search(r"[A-Z].*\.", text) for text in re.findall(r"^  --\w.*?  (.*)$", shown, re.MULTILINE))


@pytest.mark.parametrize("name", ["host", "port", "workers"])
def test_help_shows_the_settings_defaults(name, monkeypatch):
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    assert f"[default: (DIGITS_{name.upper()}, else {default})]" in re.sub(r"\s+", " ", help_of("serve"))


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("serve", {"--model", "--lines-model"}),
        ("predict", {"--model"}),
        ("read", {"--lines-model"}),
        ("info", {"--model", "--lines-model"}),
        ("bulk", {"--model", "--lines-model"}),
    ],
)
def test_a_command_takes_the_model_files_that_it_uses(command, options):
    assert set(re.findall(r"^  (--(?:lines-)?model) FILE", help_of(command), re.MULTILINE)) == options


def test_help_shows_the_clients_defaults():
    shown = re.sub(r"\s+", " ", help_of("predict"))
    assert f"--url URL URL of the service. [env var: DIGITS_URL; default: {options.URL}]" in shown
    assert f"[default: ({options.AT_ONCE}; with --local, one per core)]" in shown


def test_without_a_command_help_is_printed():
    done = CliRunner().invoke(cli, [])
    assert "Usage: " in done.output
    assert "predict" in done.output


def test_a_misspelt_command_gets_a_suggestion():
    done = CliRunner().invoke(cli, ["predcit"])
    assert done.exit_code == 2
    assert re.search(r"No such command 'predcit'. +Did you mean 'predict'\?", done.stderr)


@pytest.mark.parametrize("command", [[DIGITS], [sys.executable, "-m", "app"]], ids=["digits", "python -m app"])
def test_the_version_is_printed(command):
    done = subprocess.run([*command, "--version"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"digits {version('digits')}\n", "")


def completed(*words: str) -> list[str]:
    """Return what a shell would offer for the last word."""
    line = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1), "_DIGITS_COMPLETE": "complete_bash"}
    return CliRunner().invoke(cli, [], env=line, prog_name="digits").stdout.split()


def test_a_shell_completes_commands_and_options():
    assert completed("digits", "pre") == ["predict"]
    assert completed("digits", "predict", "--j") == ["--json", "--jobs"]
    assert completed("digits", "predict", "7.p") == []  # the shell offers files then


def test_completion_can_be_installed_for_a_shell(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [DIGITS, "--install-completion", "bash"], env=environment, capture_output=True, text=True, check=True
    )
    assert "bash completion installed" in done.stdout
    assert "_DIGITS_COMPLETE=complete_bash" in (tmp_path / ".bash_completions" / "digits.sh").read_text()


def test_make_run_takes_a_port_and_options():
    command = ["make", "--dry-run", "--no-print-directory", "run", "PORT=8080", "ARGS=--workers 2"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1].endswith("digits serve --port 8080 --workers 2")
    command = ["make", "--dry-run", "--no-print-directory", "run", "PORT="]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1].strip().endswith("digits serve")
