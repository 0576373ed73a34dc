"""Timed stages of reading a picture, for metrics and traces."""

from typing import NamedTuple


class Stage(NamedTuple):
    """A stage of reading a picture; `begin` and `end` are from `time.perf_counter_ns`."""

    name: str
    begin: int
    end: int


def preceded(stages: tuple[Stage, ...], name: str, begin: int) -> tuple[Stage, ...]:
    """Add the time from `begin` to the first of these stages, as a stage of this name."""
    return Stage(name, begin, stages[0].begin), *stages
