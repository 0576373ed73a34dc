"""The error of both programs."""

import sys
from collections.abc import Callable

from app.inference.classifier import ModelError


class TrainingError(Exception):
    """Training cannot go on, for a reason that the user can change: data, pictures, a device or a run is missing."""


def exit_status(work: Callable[[], int]) -> int:
    """Do the work of a program; return its exit status, or 1 after an error, which is printed."""
    try:
        return work()
    except (TrainingError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
