"""How many requests may be in flight: the congestion window of a client.

It grows by one for each window of answers, and halves when the service refuses a
request: additive increase, multiplicative decrease (Chiu and Jain 1989), as in TCP.
"""

from threading import Condition


class Window:
    """A thread-safe window, which begins with `most` requests and never has more.

    Requests enter it in the order in which they ask for a place.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = float(most)
        self.in_flight = 0
        self.asked = 0  # tickets so far, which are numbered from 1 on
        self.entered = 0  # the last ticket that got a place
        self.halved_at = 0  # the last one that had a place when the window was halved
        self.changed = Condition()

    def enter(self) -> int:
        """Wait for a place; return the ticket of the request."""
        with self.changed:
            self.asked += 1
            ticket = self.asked
            self.changed.wait_for(lambda: self.has_place_for(ticket))
            self.entered = ticket
            self.in_flight += 1
            self.changed.notify_all()  # there may be a place for the next one, too
            return ticket

    def has_place_for(self, ticket: int) -> bool:
        """Return whether it is a request's turn, and there is a place."""
        return ticket == self.entered + 1 and self.in_flight < int(self.size)

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
