"""Commands, run in this process or in one of their own."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import structlog
from click.testing import Result
from typer.testing import CliRunner

from app.cli.commands import cli

DIGITS = str(Path(sys.executable).with_name("digits"))


def tool(*command: str) -> list[str]:
    """Find a tool's command; if the tool is missing, skip the test, except in CI."""
    beside = Path(sys.executable).with_name(command[0])
    found = str(beside) if beside.exists() else shutil.which(command[0])
    if not found and not os.environ.get("CI"):
        pytest.skip(f"needs {command[0]}")
    assert found, f"{command[0]} is missing"
    return [found, *command[1:]]


def invoked(*arguments: object, **environment: str) -> Result:
    """Run `digits` in this process, which has already imported everything.

    It leaves environment and logging unchanged.
    """
    root = logging.getLogger()
    environment = {"COLUMNS": "80", "TERMINAL_WIDTH": "80", **environment}
    with patch.dict(os.environ), patch.multiple(root, handlers=[], level=root.level):
        done = CliRunner().invoke(
            cli, [*map(str, arguments)], env=environment, prog_name="digits"
        )
    logging.captureWarnings(False)
    structlog.reset_defaults()
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done


def process_of(*arguments) -> subprocess.Popen:
    """Start `digits` in a process of its own."""
    command = [DIGITS, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
