"""How both programs end: done, stopped, or with an error."""

import sys
from collections.abc import Callable
from pathlib import Path

from app.network import ModelError


class TrainingError(Exception):
    """Training cannot go on, for a reason that the user can change: data, pictures, a
    device or a run is missing.
    """


def exit_status(work: Callable[[], int]) -> int:
    """Do the work of a program; return its exit status, or 1 after an error, which is
    printed.
    """
    try:
        return work()
    except (TrainingError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1


def until_interrupted(work: Callable[[], None], module: str, folder: Path) -> int:
    """Do the work of a program until it is done or stopped by Ctrl-C; return the exit
    status.
    """
    try:
        work()
    except KeyboardInterrupt:
        print(f"\nInterrupted. To resume: python -m {module} --resume {folder}")
        return 130
    return 0
