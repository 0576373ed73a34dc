"""Names, numbers and bars in a limited number of columns; without a terminal, the width is infinite."""

import shutil
import sys
import textwrap
from math import inf

from rich.cells import cell_len

BAR_WIDTH = 40
EIGHTHS = " ▏▎▍▌▋▊▉"
MIN_COLUMNS = 6  # of a name or a bar, however narrow the terminal


def terminal_width() -> float:
    """Return the columns of the terminal; infinite if standard output is not one."""
    return shutil.get_terminal_size().columns if sys.stdout and sys.stdout.isatty() else inf


def shortened(name: str, width: float) -> str:
    """Shorten a name to its end, which tells the files of a folder apart.

    >>> shortened("pictures/0001.png", 10)
    '…/0001.png'
    """
    most = max(width, MIN_COLUMNS)
    if cell_len(name) <= most:
        return name
    end = name[-int(most) :]
    while cell_len(end) >= most:
        end = end[1:]
    return f"…{end}"


def hanging(text: str, indent: int, width: float) -> str:
    """Wrap text, with all lines but the first indented."""
    if indent + len(text) <= width:
        return text
    lines = textwrap.wrap(text, max(int(width) - indent, MIN_COLUMNS), break_on_hyphens=False)
    return f"\n{' ' * indent}".join(lines)


def percent(share: float) -> str:
    """Format a probability as a percentage; one that would round to 100.0% is shown as >99.9%.

    >>> percent(0.9996), percent(1), percent(0.123)
    ('>99.9%', '>99.9%', '12.3%')
    """
    return ">99.9%" if share >= 0.9995 else f"{share:.1%}"


def bar(share: float, width: int = BAR_WIDTH) -> str:
    """Draw a probability as a bar.

    >>> bar(0.5).rstrip() == 20 * "█"
    True
    """
    full, eighths = divmod(round(share * width * 8), 8)
    return ("█" * full + EIGHTHS[eighths]).ljust(width)[:width]
