"""Text → standard output, standard error, or a file."""

import sys
from io import TextIOWrapper
from typing import TextIO


def say(lines: str | None, file: TextIO | None = None, err: bool = False) -> None:
    """Write lines to a file, to standard output or to standard error, and flush it."""
    stream = file or (sys.stderr if err else sys.stdout)
    if lines is None or not stream:  # there is no stream if it is closed
        return
    try:
        stream.write(f"{lines}\n")
        stream.flush()
    except OSError:
        if not err:  # a message that cannot be written must not stop the results
            raise


def tolerate_encoding_errors(stream: object) -> None:
    """Let a stream write characters that its encoding lacks, and file names that are
    not valid text.
    """
    if isinstance(stream, TextIOWrapper):
        is_utf_8 = stream.encoding.lower() == "utf-8"
        stream.reconfigure(errors="surrogateescape" if is_utf_8 else "replace")
