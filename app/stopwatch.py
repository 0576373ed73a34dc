"""Times the stages of reading a picture, for metrics and traces."""

from time import perf_counter_ns
from typing import NamedTuple


class Stage(NamedTuple):
    """A stage of reading a picture.

    Attributes
    ----------
    name : str
        What was done.
    begin, end : int
        When it began and ended, from `time.perf_counter_ns`.
    pictures : int
        How many pictures shared it.
    """

    name: str
    begin: int
    end: int
    pictures: int = 1


class Stopwatch:
    """Notes the stages of a picture; each begins when the one before it ends."""

    def __init__(self) -> None:
        self.begin = perf_counter_ns()
        self.stages: list[Stage] = []

    def end(self, name: str, pictures: int = 1) -> None:
        """Note that a stage, which so many pictures shared, ends now."""
        now = perf_counter_ns()
        self.stages.append(Stage(name, self.begin, now, pictures))
        self.begin = now
