"""Timed stages of reading a picture, for metrics and traces."""

from time import perf_counter_ns
from typing import NamedTuple


class Stage(NamedTuple):
    """A stage of reading a picture; `begin` and `end` are from `time.perf_counter_ns`,
    `pictures` share it.
    """

    name: str
    begin: int
    end: int
    pictures: int = 1


class Stopwatch:
    """Times one stage after the other; `stages` are those that have ended."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.begin = perf_counter_ns()

    def end(self, name: str) -> None:
        """End a stage; the next one begins."""
        self.add(Stage(name, self.begin, perf_counter_ns()))

    def add(self, stage: Stage) -> None:
        """Add a stage that was timed elsewhere; the next one begins at its end."""
        self.stages.append(stage)
        self.begin = stage.end
