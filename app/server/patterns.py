"""Two patterns of h11 that backtrack, replaced: h11 has no setting for them, so this
touches its private parts.

30 kB of blanks before a NUL, in a header or trailer, block the event loop for 2.5 s,
and 16 kB in the extension of a chunk for 0.2 s. Possessive quantifiers take linear
time.
"""

import re
from importlib.metadata import version

from h11 import _abnf, _readers

TESTED = "0.16."  # versions of h11; pyproject.toml allows no other


def replace() -> None:
    """Replace the patterns; raise RuntimeError with a version of h11 for which this was
    not tested.
    """
    if not (found := version("h11")).startswith(TESTED):
        raise RuntimeError(
            f"Digits needs h11 {TESTED}x, and found {found}: reinstall Digits."
        )
    _readers.header_field_re = re.compile(
        _abnf.header_field.replace(r":[ \t]*", r":[ \t]*+", 1).encode()
    )
    _readers.chunk_header_re = re.compile(
        _abnf.chunk_header.replace(";.*", r";[^\r\n]*+", 1).encode()
    )
