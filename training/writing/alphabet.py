"""The characters of the reader's file, in the order of its classes: after the blank,
and before something else.
"""

import string

DIGITS = "0123456789"
MARKS = ".,-/:"
SPACE = " "
SIGNS = "".join(sorted({*string.punctuation} - {*MARKS})) + "£€"  # read on request
DEFAULT = DIGITS + MARKS + SPACE  # read unless others are requested
CHARACTERS = DEFAULT + SIGNS
OTHER = len(CHARACTERS) + 1


def class_of(character: str) -> int:
    """Return the class of a character."""
    return CHARACTERS.index(character) + 1
