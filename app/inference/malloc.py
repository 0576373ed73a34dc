"""glibc's malloc, where the system has it: large blocks go back to the system as they are freed."""

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGE_BLOCK_BYTES = 2_000_000


def return_large_blocks() -> None:
    """Return large blocks to the system, and keep small ones in one arena.

    By default glibc keeps blocks of up to 32 MB, returns the end of its heap after nearly every picture, and reserves
    64 MB of address space for each thread. A 640×480 JPEG takes a decoder 2.4 ms with this, and 3.8 ms without.
    """
    with suppress(AttributeError, TypeError):  # another libc, another system
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BLOCK_BYTES)
        mallopt(M_ARENA_MAX, 1)


def trim() -> None:
    """Return all freed memory to the system, which takes some 2 ms."""
    with suppress(AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
