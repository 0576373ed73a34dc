"""Timed stages of reading a picture, for metrics and traces."""

from typing import NamedTuple


class Stage(NamedTuple):
    """A stage of reading a picture; `begin` and `end` are from `time.perf_counter_ns`."""

    name: str
    begin: int
    end: int
