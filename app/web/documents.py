"""A document of several pages → its answer, page by page: no more than one is held."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass

from pydantic_core import to_json

from app.answers import conversion
from app.answers.errors import TooManyPages
from app.answers.responses import FailedPage, Page, SheetPage
from app.picture.errors import NoSuchPage
from app.text.field import InvalidField

# A page, or several pages and ranges; of the last range, the end may be left out.
ONE = r"[1-9][0-9]{0,8}"
RANGE = rf"({ONE})(-({ONE})?)?"
PAGES = rf"^{RANGE}(,{RANGE})*$"


@dataclass(frozen=True)
class Document:
    """The answer for a document, whose pages are read as they are asked for.

    Attributes
    ----------
    pages : AsyncIterator of Page, SheetPage or FailedPage
        The pages, as they are read.
    count : int
        Number of pages of the file.
    model : str
        The model that reads them.
    characters : str, optional
        The characters that may stand in them, if they were given.
    """

    pages: AsyncIterator[Page | SheetPage | FailedPage]
    count: int
    model: str
    characters: str | None = None

    async def in_one_object(self, end: str = "") -> AsyncGenerator[str]:
        """Yield the parts of one JSON object, and what follows it."""
        texts: list[str] = []
        shares: list[float] = []
        before = '{"pages":['
        async for page in self.pages:
            texts.append(page.text if isinstance(page, Page) else "")
            shares.append(page.confidence if isinstance(page, Page) else 0)
            yield before + page.model_dump_json()
            before = ","
        together = conversion.together_of(texts, shares, self.model, self.characters)
        members = together.model_dump_json().removeprefix("{")
        yield f"],{members}{end}"

    async def in_lines(self) -> AsyncGenerator[str]:
        """Yield a line of JSON for each page, which says how many there are."""
        async for page in self.pages:
            page.pages = self.count
            page.model = self.model
            yield page.model_dump_json() + "\n"


def pages_in(listed: str | None, count: int, most: int) -> list[int]:
    """Return the pages in a list such as `1,3,7-9,13-`, by default all of a document.

    Raises InvalidField, NoSuchPage, or TooManyPages for more than a request may have.
    """
    pages = dict[int, None]()  # in their order, each once
    for page in numbers_in(listed or "1-", count):
        pages[page] = None
        if len(pages) > most:
            raise TooManyPages(
                f"The file has {count:,} pages, and a request reads at most {most:,}: "
                f"ask for some of them, with ?page=1-{most}."
            )
    return [*pages]


def numbers_in(listed: str, count: int) -> Iterator[int]:
    """Yield the pages in a list; raise InvalidField or NoSuchPage."""
    for first, dash, last in re.findall(RANGE, listed):
        begin = int(first)
        end = int(last) if last else (count if dash else begin)
        if max(begin, end) > count:
            raise NoSuchPage(
                f"There is no page {max(begin, end)}: the last one is {count}."
            )
        if begin > end:
            raise InvalidField(f"page must not go back, as in {begin}-{end}.")
        yield from range(begin, end + 1)


@dataclass(frozen=True)
class SheetsOfDocument(Document):
    """The answer for a document of filled sheets, which are read as they are asked
    for.
    """

    async def in_one_object(self, end: str = "") -> AsyncGenerator[str]:
        """Yield the parts of one JSON object, and what follows it."""
        before = '{"sheets":['
        async for sheet in self.pages:
            yield before + sheet.model_dump_json()
            before = ","
        yield f'],"model":{to_json(self.model).decode()}}}{end}'
