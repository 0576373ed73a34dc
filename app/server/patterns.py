"""Two patterns of h11 that backtrack, replaced by ones that take linear time.

30 kB of blanks before a NUL, in a header or trailer, block the event loop for 2.5 s,
and 16 kB in the extension of a chunk for 0.2 s. This touches h11's private parts: it
has no setting for them, and its limit on incomplete events does not bound headers that
arrive whole. A check in front of it would have to tell headers from bodies, chunks and
pipelined requests, which is h11's own work.
"""

import re
from importlib.metadata import version

from h11 import _abnf, _readers

TESTED = "0.16."  # versions of h11; pyproject.toml allows no other


def replace() -> None:
    """Replace the patterns; raise RuntimeError with an untested version of h11."""
    found = version("h11")
    if not found.startswith(TESTED):
        raise RuntimeError(
            f"Digits needs h11 {TESTED}x, and found {found}: reinstall Digits."
        )
    header = _abnf.header_field.replace(r":[ \t]*", r":[ \t]*+", 1)
    chunk = _abnf.chunk_header.replace(";.*", r";[^\r\n]*+", 1)
    _readers.header_field_re = re.compile(header.encode())
    _readers.chunk_header_re = re.compile(chunk.encode())
