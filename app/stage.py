"""Timed stages of reading a picture, for metrics and traces."""

from typing import NamedTuple


class Stage(NamedTuple):
    """A stage of reading a picture; it began when the one before it ended.

    Attributes
    ----------
    name : str
        What was done; the first stage is only there for its end.
    end : int
        When it ended, from `time.perf_counter_ns`.
    pictures : int
        How many pictures shared it.
    """

    name: str
    end: int
    pictures: int = 1
