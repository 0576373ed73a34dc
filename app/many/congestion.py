"""How many requests may be in flight: the congestion window of a client.

It grows by one for each window of answers, and halves when the service refuses a
request: additive increase, multiplicative decrease (Chiu and Jain 1989), as in TCP.
"""

from itertools import count
from threading import Condition


class Window:
    """A thread-safe window, which begins with `most` requests and never has more.

    The oldest request enters first, also after it was refused: results are written in
    order, and wait for it.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = float(most)
        self.in_flight = 0
        self.ages = count(1)
        self.waiting = set[int]()  # the ages of requests, the oldest has the lowest
        self.entered = 0  # the number of the last request that got a place
        self.halved_at = 0  # the last one that had a place when the window was halved
        self.changed = Condition()

    def age(self) -> int:
        """Return the age of a new request."""
        with self.changed:
            return next(self.ages)

    def enter(self, age: int) -> int:
        """Wait for a place; return a ticket for it."""
        with self.changed:
            self.waiting.add(age)
            self.changed.wait_for(lambda: self.has_place_for(age))
            self.waiting.remove(age)
            self.in_flight += 1
            self.entered += 1
            self.changed.notify_all()  # there may be a place for the next one, too
            return self.entered

    def has_place_for(self, age: int) -> bool:
        """Return whether there is a place, and no older request waits."""
        return self.in_flight < int(self.size) and age == min(self.waiting)

    def leave(self, ticket: int, was_refused: bool) -> None:
        """Free the place of a request.

        Requests that were in flight together halve the window once.
        """
        with self.changed:
            self.in_flight -= 1
            if not was_refused:
                self.size = min(self.most, self.size + 1 / self.size)
            elif ticket > self.halved_at:
                self.size = max(1, self.size / 2)
                self.halved_at = self.entered
            self.changed.notify_all()
