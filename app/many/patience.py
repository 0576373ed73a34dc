"""How long requests are tried again: as long as the service makes progress."""

import math
import random
import time
from collections.abc import Callable

BUSY_MINUTES = 120.0
SILENT_SECONDS = 120.0
FIRST_PAUSE = 0.5  # seconds; the pauses double
LONGEST_PAUSE = 8.0


class Patience:
    """What all requests to a service know of its progress.

    A service that says that it is busy is asked again until it has answered nothing for
    `busy_seconds`; one that says nothing, for SILENT_SECONDS at most.

    Parameters
    ----------
    busy_seconds : float
        How long a busy service is asked again.
    clock : Callable
        Returns the time in seconds.
    """

    def __init__(
        self,
        busy_seconds: float = 60 * BUSY_MINUTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.busy_seconds = busy_seconds
        self.silent_seconds = min(busy_seconds, SILENT_SECONDS)
        self.clock = clock
        self.answered = -math.inf  # when the service last answered a request
        self.heard = -math.inf  # when it last said anything, such as that it is busy

    def note_answer(self) -> None:
        """Note that the service answered a request."""
        self.answered = self.heard = self.clock()

    def has_heard(self) -> bool:
        """Return whether the service has ever said anything."""
        return self.heard > -math.inf

    def is_stuck(self) -> bool:
        """Return whether the service answered no request for too long."""
        return self.clock() - self.answered >= self.busy_seconds

    def is_silent(self) -> bool:
        """Return whether the service said nothing for too long."""
        return self.clock() - self.heard >= self.silent_seconds


class Tries:
    """The tries of one request that failed."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.begin = patience.clock()
        self.silent_since: float | None = None
        self.next_pause = FIRST_PAUSE

    def note_busy(self) -> float:
        """Note that the service is busy; return the seconds left for other tries."""
        now = self.patience.heard = self.patience.clock()
        self.silent_since = None
        return self.patience.busy_seconds - (now - self.begin)

    def note_silence(self) -> float:
        """Note that it said nothing; return the seconds left for other tries."""
        now = self.patience.clock()
        if self.silent_since is None:
            self.silent_since = now
        return self.patience.silent_seconds - (now - self.silent_since)

    def pause(self, requested: float) -> float:
        """Return the seconds to wait: at least those requested, or else growing ones.

        They are random, so that clients do not try again together.
        """
        pause = requested
        if requested <= 0:
            pause = self.next_pause
            self.next_pause = min(2 * pause, LONGEST_PAUSE)
        return pause * random.uniform(1, 1.25)  # noqa: S311 - no secret
