"""What bounds the work in hand: so much of something at once, and what goes beyond is refused.

Ignores: what is counted.
"""

from types import TracebackType


class Overloaded(Exception):
    """There is more work in hand than allowed; the message says what to do."""


class Budget:
    """So many bytes, or pictures, at once."""

    def __init__(self, limit: int, message: str) -> None:
        self.limit = limit
        self.message = message
        self.spent = 0

    def refuse_if_spent(self, amount: int) -> None:
        """Raise Overloaded where so much more is more than there is left."""
        if self.spent + amount > self.limit:
            raise Overloaded(self.message)


class Share:
    """What one request takes of a budget; given back where its `with` ends."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.taken = 0

    def take(self, amount: int) -> None:
        """Take more, or raise Overloaded where that is more than there is left."""
        self.budget.refuse_if_spent(amount)
        self.budget.spent += amount
        self.taken += amount

    def __enter__(self) -> "Share":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.budget.spent -= self.taken
        self.taken = 0
