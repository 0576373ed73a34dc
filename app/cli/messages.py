"""Text → standard output, standard error, or a file."""

import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO


def say(lines: str | None, file: TextIO | None = None, err: bool = False) -> None:
    """Write lines to a file, to standard output, or to standard error, and flush it."""
    stream = file or (sys.stderr if err else sys.stdout)
    if lines is not None and stream:  # it is None if it is closed
        # A message that cannot be written must not stop the results.
        with suppress(*([OSError] if err else [])):
            stream.write(f"{lines}\n")
            stream.flush()


def tolerate_encoding_errors(stream: object) -> None:
    """Write file names that are not valid text, and characters that the encoding lacks,
    without an error.
    """
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(
            errors="surrogateescape"
            if stream.encoding.lower() == "utf-8"
            else "replace"
        )
