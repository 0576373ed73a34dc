"""Strips → transcripts: the line network reads what may be written in a field."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.text.ctc import best_path_with, spans_of
from app.text.emissions import Emissions
from app.text.field import ANYTHING, Field
from app.text.format_search import in_format, in_format_of_length
from app.text.line_network import LineNetwork
from app.text.strips import Strip
from app.text.transcript import Transcript


@dataclass(frozen=True)
class LineReader:
    """Reads strips with the line network.

    Attributes
    ----------
    network : LineNetwork
        The line network.
    field : Field
        What may be written.
    """

    network: LineNetwork
    field: Field = ANYTHING

    def read(
        self, strips: Sequence[Strip], is_of_page: bool = False
    ) -> list[Transcript]:
        """Read strips together; where a line cannot have the length, it is empty."""
        length = self.field.length
        if length is None:
            return self.read_each(strips, is_of_page)
        seen = self.emissions(strips)
        return [self.read_length(each, length, is_of_page) for each in seen]

    def read_each(
        self, strips: Sequence[Strip], is_of_page: bool = False
    ) -> list[Transcript]:
        """Read strips, each of any length."""
        transcripts = []
        for emissions in self.emissions(strips):
            read = Transcript.likeliest(emissions, is_of_page)
            if self.field.characters is None:
                read = read.without_marks_of_words()
            if read.score <= 0:
                read = replace(read, spans=())
            elif self.field.rules:
                read = in_format(read, self.field.rules)
            transcripts.append(read)
        return transcripts

    def read_length(
        self, seen: Emissions, length: int, is_of_page: bool = False
    ) -> Transcript:
        """Read a line that has so many digits; it has the format if possible."""
        rules = self.field.rules
        if rules:
            found = in_format_of_length(seen, rules, length)
            if found:
                return found
        path = best_path_with(seen.probabilities, seen.spec.digits, length)
        return Transcript(seen, spans_of(path or []), is_of_page, rules=rules)

    def emissions(self, strips: Sequence[Strip]) -> list[Emissions]:
        """Show strips to the network, with the characters that may stand in them."""
        spec = self.network.spec
        signs = self.field.signs(spec)
        seen = []
        outputs = self.network([strip.pixels for strip in strips])
        for strip, output in zip(strips, outputs, strict=True):
            columns = spec.weighed(spec.only(output, signs))
            seen.append(Emissions(strip, columns, spec))
        return seen
