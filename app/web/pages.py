"""The pages of a document that a request asks for, read one after another."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from fastapi import Request

from app.answers import responses
from app.web.clients import require_open
from app.web.documents import pages_in
from app.web.parameters import OfText
from app.web.problems import problem_of
from app.web.service import Service
from app.web.several import read_several

Result = TypeVar("Result")
Answer = TypeVar("Answer", responses.Text, responses.FilledSheet)
PageAnswer = TypeVar("PageAnswer", responses.Page, responses.SheetPage)


class Pages(NamedTuple):
    """The pages of a document that are asked for, and the number of all."""

    listed: Sequence[int]
    total: int


async def pages_of(
    request: Request,
    service: Service,
    parameters: OfText,
    picture: bytes,
    most_alone: int = 1,
) -> Pages | None:
    """Return the pages to read; None if the file is read as a picture, since it has so
    many pages at most, or one was asked for.
    """
    if parameters.only_page is not None:
        return None
    count = await service.page_count(request, picture)
    if count <= most_alone and not parameters.page:
        return None
    listed = pages_in(parameters.page, count, service.settings.max_pages)
    await require_open(request)
    return Pages(listed, count)


async def in_turn(
    service: Service, page: int, read: Callable[[], Awaitable[Result]]
) -> Result:
    """Read a page of a document in turn with those of others; raise Busy, with the page
    to ask for, if they have kept it waiting.
    """

    async def read_alone() -> Result:
        async with service.admission.for_page():
            return await read()

    late = f"There was no time left for this page: ask for it with ?page={page}."
    return await service.admission.patiently(read_alone, late)


async def answers_to_pages(
    request: Request,
    pages: Sequence[int],
    answer: Callable[[int], Awaitable[Answer]],
    converted: Callable[[Answer, int], PageAnswer],
) -> AsyncGenerator[PageAnswer | responses.FailedPage]:
    """Yield what is written on each page, or the error."""
    outcomes = read_several(request, pages, answer)
    for page in pages:
        outcome = await anext(outcomes)
        if isinstance(outcome, Exception):
            problem, _ = problem_of(request, outcome)
            yield responses.FailedPage(page=page, error=problem)
        else:
            yield converted(outcome, page)
