"""When glibc's malloc returns memory to the system; elsewhere, nothing happens."""

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
LARGE_BLOCK_BYTES = 2_000_000
LARGEST_BLOCK_BYTES = 32 * 2**20  # the highest M_MMAP_THRESHOLD


def tune(large_block_bytes: int = LARGE_BLOCK_BYTES) -> None:
    """Return larger blocks as they are freed, and keep others in one arena.

    By default, malloc keeps freed blocks of up to 32 MB, and reserves 64 MB of address
    space per thread.
    """
    with suppress(AttributeError, TypeError):  # another libc or operating system
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, large_block_bytes)
        mallopt(M_TRIM_THRESHOLD, 2 * large_block_bytes)
        mallopt(M_ARENA_MAX, 1)


def trim() -> None:
    """Return all that was freed."""
    with suppress(AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
