"""The characters that a user names: those that may stand in a text, and those of a label."""

from app.inference.form import Form

MOST = 100  # requested characters; all that are known are about half as many


class UnreadableCharacters(Exception):
    """These characters cannot be read; the message says which can."""


def require_requestable(characters: str | None, form: Form) -> None:
    """Raise UnreadableCharacters unless a text of these characters can be requested; None stands for the default."""
    if characters is None:
        return
    if not 1 <= len(characters) <= MOST:
        raise UnreadableCharacters(f"characters must have 1 to {MOST} digits and signs.")
    if " " in characters:
        raise UnreadableCharacters(
            "characters must not have a space: gaps are read in any case. In a URL, + means a space: write %2B for it."
        )
    if unknown := first_other(characters, form.signs):
        raise UnreadableCharacters(f"characters must be among {form.signs}, and not {unknown!r}.")


def require_readable(label: str, form: Form) -> None:
    """Raise UnreadableCharacters unless a label consists of characters that are read."""
    if unknown := first_other(label, form.characters + "\n"):
        raise UnreadableCharacters(
            f"label must be none, or consist of {form.signs}, spaces and newlines, and not {unknown!r}."
        )


def first_other(text: str, known: str) -> str | None:
    """Return the first character of a text that is not among those known."""
    return next((character for character in text if character not in known), None)
