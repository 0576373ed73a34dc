"""How a program ends: done, stopped, or with an error."""

import sys
from collections.abc import Callable
from pathlib import Path

from app.labels import InvalidLabels
from app.network import ModelError


class TrainingError(Exception):
    """Training cannot go on; the message says what the user can change."""


def exit_status(work: Callable[[], int]) -> int:
    """Do the work of a program; return its exit status. Errors are printed."""
    try:
        return work()
    except (TrainingError, InvalidLabels, ModelError) as error:
        print(error, file=sys.stderr)
        return 1


def until_interrupted(work: Callable[[], None], module: str, folder: Path) -> int:
    """Work until it is done or stopped by Ctrl-C; return the exit status."""
    try:
        work()
    except KeyboardInterrupt:
        print(f"\nInterrupted. To resume: python -m {module} --resume {folder}")
        return 130
    return 0
