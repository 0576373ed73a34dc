"""Pictures → answers, in order, with several in progress at once.

`app.many.client` asks a service, and `app.many.local` runs the models in this process.
For `digits bulk`, whose workers write rows themselves, `app.many.processes` and
`app.many.cluster` run `app.many.worker`.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from app.answers.responses import FilledSheet, Prediction, Text
from app.form.form import Form, InvalidForm
from app.many.errors import NO_PAGES, CannotGoOn, InvalidOption, Unanswered
from app.many.pictures import Picture
from app.text.field import ANYTHING, Field, InvalidField

if TYPE_CHECKING:  # as in `app.form.form`
    from app.text.line_spec import LineSpec

# Files that are larger are read one by one, so that few of them are held.
TOGETHER_BYTES = 65_536
AHEAD = 16  # items started or done per worker while an earlier one is still in progress

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ReadOptions:
    """How to read the texts in pictures, as in the parameters of `POST /read`."""

    field: Field = ANYTHING
    marks: bool = True
    rotate: Literal["none", "auto"] = "none"
    alternatives: int = 0
    region: str | None = None


AS_WRITTEN = ReadOptions()


@dataclass(frozen=True)
class SheetOptions:
    """How to read filled sheets: of one of these forms, which have as many pages."""

    forms: tuple[Form, ...]
    alternatives: int = 0

    def require_possible(self, spec: "LineSpec", has_pages: bool) -> None:
        """Raise InvalidForm unless a line network can read the fields, or CannotGoOn
        if there is no network for pages.
        """
        if self.forms and not has_pages:
            raise CannotGoOn(NO_PAGES)
        for form in self.forms:
            form.require_possible(spec)

    @property
    def pages(self) -> int:
        """The number of pages of a sheet."""
        return len(self.forms[0].pages) if self.forms else 1

    @property
    def fields(self) -> list[str]:
        """The names of all fields, each once."""
        names = (field.name for form in self.forms for field in form.fields)
        return [*dict.fromkeys(names)]


NO_SHEETS = SheetOptions(())


class Engine(ABC):
    """A thread-safe reader of pictures.

    Attributes
    ----------
    at_once : int
        Number of calls in progress at a time.
    batch : int
        Small pictures of digits in one call.
    """

    at_once: int
    batch: int

    @abstractmethod
    def predict(
        self,
        pictures: Sequence[bytes],
        page: int | None = None,
        region: str | None = None,
    ) -> list[Prediction | Unanswered]:
        """Return the digit in each picture, or why there is no answer."""

    @abstractmethod
    def read(
        self, picture: bytes, page: int | None = None, options: ReadOptions = AS_WRITTEN
    ) -> Text | Unanswered:
        """Return the text in a picture, or why there is no answer."""

    @abstractmethod
    def read_sheet(
        self, picture: bytes, page: int | None, options: SheetOptions
    ) -> FilledSheet | Unanswered:
        """Return the fields of the sheet that begins on a page, or why there is no
        answer.
        """

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """Return what is known of the models."""

    def digits(
        self, pictures: Sequence[Picture], region: str | None = None
    ) -> Iterator[Prediction | Unanswered]:
        """Yield the digit in each picture, in order, or why there is no answer."""
        total = len(pictures)
        # So that none of those at once has none.
        each = min(self.batch, total // self.at_once) or 1
        groups = [pictures[first : first + each] for first in range(0, total, each)]
        read = partial(self.together, region=region)
        return chain.from_iterable(in_order(read, groups, self.at_once))

    def together(
        self, pictures: Sequence[Picture], region: str | None
    ) -> list[Prediction | Unanswered]:
        """Return the digit in each picture; small ones are read together."""
        page = pictures[0].page
        answers: dict[int, Prediction | Unanswered] = {}
        small: dict[int, bytes] = {}
        for place, picture in enumerate(pictures):
            try:
                data = picture.read()
            except Unanswered as error:
                answers[place] = error
                continue
            if len(data) > TOGETHER_BYTES:
                (answers[place],) = self.predict([data], page, region)
            else:
                small[place] = data
        if small:
            found = self.predict(list(small.values()), page, region)
            answers.update(zip(small, found, strict=True))
        return [answers[place] for place in sorted(answers)]

    def texts(
        self, pictures: Sequence[Picture], options: ReadOptions = AS_WRITTEN
    ) -> Iterator[Text | Unanswered]:
        """Yield the text in each picture, in order, or why there is no answer."""
        read = partial(self.read, options=options)
        return in_order(partial(outcome_of, read), pictures, self.at_once)

    def sheets(
        self, pictures: Sequence[Picture], options: SheetOptions
    ) -> Iterator[FilledSheet | Unanswered]:
        """Yield the fields of each sheet, in order, or why there is no answer."""
        read = partial(self.read_sheet, options=options)
        return in_order(partial(outcome_of, read), pictures, self.at_once)


def outcome_of(
    read: Callable[[bytes, int | None], Result], picture: Picture
) -> Result | Unanswered:
    """Return what is read of a picture's bytes, or why it has none."""
    try:
        data = picture.read()
    except Unanswered as error:
        return error
    return read(data, picture.page)


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], at_once: int
) -> Iterator[Result]:
    """Yield the result for each item, in order; `at_once` are in progress at a time."""
    pool = ThreadPoolExecutor(at_once)
    started: deque[Future[Result]] = deque()
    try:
        for item in items:
            started.append(pool.submit(work, item))
            if len(started) >= at_once * AHEAD:
                yield started.popleft().result()
        while started:
            yield started.popleft().result()
    except (InvalidOption, InvalidField, InvalidForm):
        # Wait for the others, so that no connection is closed during a request.
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
