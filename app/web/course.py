"""The course, a page written in Markdown, as HTML that works offline."""

from functools import cache
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

FILE = Path(__file__).parent.parent / "page" / "course.md"
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>From first neural network to Digits</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="static/style.css">
</head>
<body>
<article role="main">
<p><a href=".">← Digits</a></p>
{}
</article>
</body>
</html>
"""

router = APIRouter(include_in_schema=False)


@router.get("/course")
async def course() -> HTMLResponse:
    """Return the course."""
    return HTMLResponse(rendered())


@cache
def rendered() -> str:
    """Render the course; a wide table or program can be scrolled by keyboard, too."""
    from markdown_it import MarkdownIt  # takes 30 ms, which start-up need not wait for

    markdown = FILE.read_text(encoding="utf-8")
    html = MarkdownIt("commonmark").enable("table").render(markdown)
    html = html.replace('src="', 'src="static/')
    html = html.replace("<pre>", '<pre tabindex="0">')
    html = html.replace("<table>", '<table tabindex="0">')
    return PAGE.format(html)
