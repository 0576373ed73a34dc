"""Why pictures are not read.

Unanswered     this picture has no answer
InvalidOption  an option is invalid for all pictures
CannotGoOn     the command cannot start or go on; the message says what to do
└── NoService  the service cannot be used
    └── NotConnected  no connection could be made
"""

from app.answers.responses import TRANSIENT, UNREADABLE

NO_PAGES = "Forms need a network for pages: DIGITS_PAGES_MODEL is none."


def needs_extra(package: str | None, extra: str) -> str:
    """Return that a package is missing, which an extra installs."""
    return (
        f"This needs {package}, which the extra `{extra}` installs: pip install "
        f"'.[{extra}]'"
    )


class Unanswered(Exception):
    """There is no answer for this picture; the message says why, and `problem` is the
    name of its type, as in the API.
    """

    def __init__(self, message: str, problem: str) -> None:
        super().__init__(message)
        self.problem = problem

    @property
    def is_fault(self) -> bool:
        """Whether the machine or this program is at fault, not the file."""
        return self.problem in TRANSIENT - {UNREADABLE}

    def __reduce__(self) -> tuple[type["Unanswered"], tuple[str, str]]:
        return type(self), (str(self), self.problem)


class InvalidOption(Exception):
    """An option is invalid; the message says why."""


class CannotGoOn(Exception):
    """The command cannot start or go on; the message says why and what to do."""


class NoService(CannotGoOn):
    """The service cannot be used."""


class NotConnected(NoService):
    """No connection could be made."""
