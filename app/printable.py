"""Text from elsewhere → text that is safe to print on a terminal."""


def printable(text: str, kept: str = "") -> str:
    """Replace non-printable characters, which could control the terminal, except those
    that are kept.
    """
    return "".join(
        letter if letter.isprintable() or letter in kept else "�" for letter in text
    )
