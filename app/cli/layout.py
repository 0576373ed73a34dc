"""Names, numbers and bars at a width, in columns; an infinite one, where there is no terminal, cuts nothing."""

import shutil
import sys
import textwrap
from math import inf

from rich.cells import cell_len

BAR_WIDTH = 40
EIGHTHS = " ▏▎▍▌▋▊▉"
LEAST = 6  # columns of a name or a bar, however narrow the terminal


def terminal_width() -> float:
    """Columns of the terminal that standard output is; infinite where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else inf


def shortened(name: str, width: float) -> str:
    """The end of a name that is too long, which tells the files of a folder apart.

    >>> shortened("pictures/0001.png", 10)
    '…/0001.png'
    """
    most = max(width, LEAST)
    if cell_len(name) <= most:
        return name
    end = name[-int(most) :]
    while cell_len(end) >= most:
        end = end[1:]
    return f"…{end}"


def hanging(text: str, indent: int, width: float) -> str:
    """Text in lines that fit, all but the first of which are indented."""
    if indent + len(text) <= width:
        return text
    lines = textwrap.wrap(text, max(int(width) - indent, LEAST), break_on_hyphens=False)
    return f"\n{' ' * indent}".join(lines)


def percent(share: float) -> str:
    """A probability in percent, which never reads as certain: a 1 in an answer is rounded.

    >>> percent(0.9996), percent(1), percent(0.123)
    ('>99.9%', '>99.9%', '12.3%')
    """
    return ">99.9%" if share >= 0.9995 else f"{share:.1%}"


def bar(share: float, width: int = BAR_WIDTH) -> str:
    """A probability as a bar.

    >>> bar(0.5).rstrip() == 20 * "█"
    True
    """
    full, eighths = divmod(round(share * width * 8), 8)
    return ("█" * full + EIGHTHS[eighths]).ljust(width)[:width]
