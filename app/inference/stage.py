"""A part of the work on a picture, for metrics and traces."""

from typing import NamedTuple


class Stage(NamedTuple):
    """A part of the work on a picture; its begin and end are `time.perf_counter_ns`'s."""

    name: str
    begin: int
    end: int
