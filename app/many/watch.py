"""Files and folders, looked at again and again → the files that are due: those that are
whole, and new or changed.

A file is whole if its size and time are the same in two looks. Nothing else tells of
changes: network drives send no events.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence

from app.many.errors import InvalidOption
from app.many.messages import say
from app.many.pictures import STDIN, Picture, State, expand
from app.printable import printable

AGAIN_SECONDS = 60.0  # until a file is tried again that could not be read for now


class Watch:
    """Looks at files and folders, which need not be there yet, or all the time.

    Raises InvalidOption for standard input.

    Parameters
    ----------
    names : sequence of str
        The files and folders.
    endings : tuple of str
        The extensions of the files in folders.
    seconds : float
        Between two looks.
    again_seconds : float
        Until a file is due again after `retry`.
    sleep : callable
        Waits for some seconds.
    """

    def __init__(
        self,
        names: Sequence[str],
        endings: tuple[str, ...],
        seconds: float,
        again_seconds: float = AGAIN_SECONDS,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if STDIN in names:
            raise InvalidOption("--watch needs files or folders, not standard input.")
        self.names = names
        self.endings = endings
        self.seconds = seconds
        self.again_seconds = again_seconds
        self.sleep = sleep
        self.seen: dict[str, State] = {}  # at the last look
        self.taken: dict[str, State] = {}  # of the files that were due, as they were
        self.again: dict[str, float] = {}  # when a file is due again after `retry`
        self.missing = set[str]()

    def batches(self) -> Iterator[list[str]]:
        """Yield the files that are due, look after look, without end."""
        every = f"every {self.seconds:g} s, until Ctrl-C."
        say(f"Looking for new files {every}", err=True)
        while True:
            if due := self.look():
                yield due
            self.sleep(self.seconds)

    def look(self) -> list[str]:
        """Return the files that are due now."""
        found = expand(self.names, self.endings)
        self.say_what_is_missing(found)
        files = {each.path: each.state for each in found if each.state is not None}
        due = [path for path, state in files.items() if self.is_due(path, state)]
        self.seen = files
        for path in due:
            self.taken[path] = files[path]
            self.again.pop(path, None)
        return due

    def is_due(self, path: str, state: State) -> bool:
        """Return whether a file has to be read in this state."""
        if self.seen.get(path) != state:
            return False  # it may not be whole yet
        if self.taken.get(path) != state:
            return True
        return time.monotonic() >= self.again.get(path, math.inf)

    def retry(self, path: str) -> None:
        """Let a file be due again after a while: it could not be read for now."""
        self.again[path] = time.monotonic() + self.again_seconds

    def say_what_is_missing(self, found: Sequence[Picture]) -> None:
        """Say on standard error, once, what is not there or cannot be opened."""
        nothing = {each.path for each in found if each.state is None}
        missing = {path for path in nothing if not os.access(path, os.R_OK)}
        for path in sorted(missing - self.missing):
            say(printable(f"{path} cannot be opened: waiting for it."), err=True)
        self.missing = missing
