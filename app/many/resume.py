"""What has a row already, and which rows are out of date: these go, so that their
pictures have none, and are read.

Out of date are all rows of a file that has changed, and a row with an error if another
try may succeed, or if the file is gone.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from app.answers.responses import TRANSIENT
from app.many.pictures import UNKNOWN, Picture, State


class Written(NamedTuple):
    """What a row says of its picture or page; `problem` is empty if it was read."""

    path: str
    page: int | None = None
    pages: int | None = None
    problem: str = ""
    state: State = UNKNOWN

    @property
    def location(self) -> tuple[str, int | None]:
        """What tells its picture from others, as of `Picture`."""
        return self.path, self.page


class Sink(Protocol):
    """Where rows are."""

    def written(self) -> Iterable[Written]:
        """Return what all rows say of their pictures."""

    def discard(self, is_outdated: Callable[[Written], bool]) -> None:
        """Remove the rows that are out of date."""


def discard_outdated(
    sink: Sink,
    state_of: Callable[[str], State | None],
    is_asked: Callable[[Written], bool],
) -> None:
    """Remove the rows that are out of date.

    Parameters
    ----------
    sink : Sink
        Where they are. If this process is killed, the next run removes the others.
    state_of : Callable
        Returns the state of a picture's file; None if it is gone, or not asked for.
    is_asked : Callable
        Returns whether the picture of a row would be read.
    """
    changed = set[str]()  # all rows of a path go: there may be fewer pages now
    failed = set[tuple[str, int | None]]()
    for row in sink.written():
        state = state_of(row.path)
        if state is not None and has_changed(row.state, state):
            changed.add(row.path)
        may_be_other = state is None or row.problem in TRANSIENT
        if row.problem and may_be_other and is_asked(row):
            failed.add(row.location)
    if changed or failed:
        sink.discard(lambda row: row.path in changed or row.location in failed)


def discard_for(sink: Sink, pictures: Sequence[Picture]) -> None:
    """Remove the rows that are out of date, as far as pictures are asked for."""
    states = {picture.path: picture.state for picture in pictures}
    asked = {picture.location for picture in pictures}

    def is_asked(row: Written) -> bool:
        return row.location in asked or (row.path in states and not row.page)

    discard_outdated(sink, states.get, is_asked)


def has_changed(before: State, now: State) -> bool:
    """Return whether a file has changed, as far as is known. Rows that the page wrote
    have times in milliseconds.
    """
    if before.modified and now.modified and before.modified % 1000 == 0:
        now = now._replace(modified=now.modified // 1000 * 1000)
    return before != now and UNKNOWN not in (before, now)
