"""Rows that are out of date go, so that their pictures have none, and are read.

That of a picture whose file has changed, also if it was read; and one with an error if
another try may succeed, or if its file is gone.
"""

from collections.abc import Iterable

from app.answers.responses import TRANSIENT
from app.many.destination import Destination
from app.many.source import Part, Source
from app.many.storage import UNKNOWN, State


def discard_outdated(
    parts: Iterable[Part], source: Source, destination: Destination
) -> None:
    """Remove the rows that are out of date from DESTINATION.

    If it is killed, the next run removes the others.
    """
    states = {
        source.file_of(path): state for part in parts for path, state in part.items()
    }
    changed = set[str]()  # paths, all of whose rows go: there may be fewer pages now
    failed = set[str]()  # paths, of whose rows those with an error go
    for row in destination.outcomes():
        file = source.file_of(row.path)
        if file not in states:
            if row.error and source.place.includes(source.place.inside(file)):
                failed.add(row.path)
        elif has_changed(row.state, states[file]):
            changed.add(row.path)
        elif row.error in TRANSIENT:
            failed.add(row.path)
    if changed or failed:
        destination.discard(
            lambda path, error: path in changed or (bool(error) and path in failed)
        )


def has_changed(before: State, now: State) -> bool:
    """Return whether a file has changed, as far as is known."""
    return before != now and UNKNOWN not in (before, now)
