"""Examples in the documentation, and what they print."""

import re
from pathlib import Path

# A program's line with its output as a comment.
PRINTED = re.compile(r"(?:print|console\.log)\(.*\);?\s+(?:#|//) (.*)")


def blocks(page: Path, language: str) -> list[str]:
    """Find a page's code blocks in a language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE
    )


def assert_shown(shown: str, printed: str) -> None:
    """Compare output with what a page shows, where … stands for any text on a line."""
    assert re.fullmatch(re.escape(shown.strip()).replace("…", ".*"), printed.strip())
