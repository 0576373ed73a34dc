"""A picture → hypotheses of what is written in it, until one is sure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.picture.decode import Picture
from app.text.hypothesis import Hypothesis, is_sure
from app.text.limits import MAX_DIGITS
from app.text.line_reader import LineReader
from app.text.page_reader import PageReader, is_upright
from app.text.pages import PageLayout, PageNetwork
from app.text.strips import WHOLE_STRIPS, Sheet, WholeStrip, small_pieces, whole_sheet
from app.text.transcript import Transcript

# Height of small writing, over that of the digits beside it.
SMALL = 1 / 3
Proposals = list[tuple[int, Hypothesis]]  # each with the turn of the picture


def unheeded(width: float) -> None:
    """Let lines of any width be read."""


@dataclass(frozen=True)
class PictureReader:
    """Reads pictures, as one line and as pages.

    Attributes
    ----------
    reader : LineReader
        Reads strips.
    pages : PageNetwork, optional
        The network that finds the lines of a page. Without it, a picture is one line.
    on_lines : callable
        As of `PageReader`.
    """

    reader: LineReader
    pages: PageNetwork | None = None
    on_lines: Callable[[float], object] = unheeded

    def read(
        self, picture: Picture, turns: Sequence[int]
    ) -> dict[int, list[Hypothesis]]:
        """Read a picture in several ways, with each turn, until one is sure.

        If it has several lines, these are the only way to read it: from afar, they may
        look like one.
        """
        found: dict[int, list[Hypothesis]] = {turn: [] for turn in turns}
        for proposals in self.proposals(picture, turns):
            for turn, hypothesis in proposals:
                if len(hypothesis.rows) > 1 or hypothesis.table:
                    is_free = self.reader.field.length is None
                    return {turn: [hypothesis if is_free else hypothesis.of_length]}
                found[turn].append(hypothesis)
            if any(map(is_sure, found.values())):
                break
        return found

    def proposals(self, picture: Picture, turns: Sequence[int]) -> Iterator[Proposals]:
        """Yield what may be written in a picture, the most common ways first.

        First, all of it is one line; then come its lines, then all of it in other ways.
        Further turns are only tried if it is in doubt with the first one.
        """
        first, *others = turns
        whole = whole_sheet(picture)
        sheets = {first: whole}
        as_it_is, *changed = WHOLE_STRIPS
        yield self.as_line(sheets, as_it_is)
        lines = PageReader(self.reader, self.on_lines)
        page = PageLayout.of(Sheet.of(picture), self.pages) if self.pages else None
        sample = lines.sample(page.sheet, page.lines) if page and others else {}
        if is_upright(sample):
            others = []
        if page and not others:
            yield [(first, lines.read(page, sample))]
        if others:
            turned = {turn: whole.turned(turn) for turn in others}
            yield self.as_line(turned, as_it_is)
            sheets |= turned
        if page and others:
            turn = lines.direction(page, sample, turns)
            seen = {} if turn else sample
            yield [(turn, lines.read(page.turned(turn), seen))]
        for whole_strip in changed:
            proposals = self.as_line(sheets, whole_strip)
            if not proposals:  # it is too long, or cannot have the length
                return
            yield proposals

    def as_line(
        self, sheets: Mapping[int, Sheet], whole_strip: WholeStrip
    ) -> Proposals:
        """Read all of a picture as one line, with each turn, unless it is too long."""
        height = self.reader.network.spec.height
        proposals = []
        for turn, sheet in sheets.items():
            strip = whole_strip(sheet, height)
            (read,) = self.reader.read([strip]) if strip else (None,)
            if read and self.is_possible(read):
                proposals.append((turn, self.one_line(sheet, read)))
        return proposals

    def is_possible(self, read: Transcript) -> bool:
        """Return whether a picture may be one line: it is not too long, and has the
        length that is known.
        """
        length = self.reader.field.length
        if length is None:
            return read.digit_count <= MAX_DIGITS
        return read.digit_count == length

    def one_line(self, sheet: Sheet, transcript: Transcript) -> Hypothesis:
        """Return the hypothesis that this is all that is written on a sheet.

        Small writing above, below or beside large digits is noise in a strip. So if it
        is sure, more small pieces of ink than digits and marks are in its way.
        """
        only = Hypothesis(((transcript,),))
        if self.pages is None or not is_sure([only]):
            return only
        scale = sheet.grey.height / self.reader.network.spec.height
        pieces = small_pieces(sheet, SMALL * scale * transcript.digit_height)
        return replace(only, is_beside_ink=pieces > len(transcript.signs))
