"""A process with its descendants, and the memory that they take; also for tests."""

import os
import re
from contextlib import suppress
from pathlib import Path


def family(pid: int) -> list[int]:
    """List a process and its descendants."""
    members = [pid]
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in file.read_text().split():
            members += family(int(child))
    return members


def memory(pid: int) -> float:
    """Return the megabytes of a process and its descendants, shared ones once."""
    kilobytes = 0
    for member in family(pid):
        with suppress(ProcessLookupError):  # it has just ended
            rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
            [pss] = re.findall(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
            kilobytes += int(pss)
    return kilobytes * 1024 / 1e6


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and its descendants, living and dead."""
    ticks = 0
    for member in family(pid):
        with suppress(FileNotFoundError):  # it has just ended
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2]
            ticks += sum(map(int, fields.split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
