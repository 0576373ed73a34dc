"""Fields that add up to another one: whether they do, and what else might be meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice

KEPT = 2000  # sums of the first few fields, the most probable ones


@dataclass(frozen=True)
class Candidate:
    """What may be written in a field: its text, value, and probability."""

    text: str
    value: str | None
    probability: float

    @property
    def number(self) -> Decimal | None:
        """The number that it means; 0 for an empty field; None if it is none."""
        if not self.text:
            return Decimal(0)
        try:
            number = Decimal(self.value or "")
        except InvalidOperation:
            return None
        return number if number.is_finite() else None


Combination = tuple[float, tuple[Candidate, ...]]


def adds_up(parts: Sequence[Candidate], total: Candidate) -> bool:
    """Return whether numbers add up to another."""
    numbers = [part.number for part in parts]
    if None in numbers or total.number is None:
        return False
    return sum(filter(None, numbers), Decimal(0)) == total.number


def likeliest_sum(
    parts: Sequence[Sequence[Candidate]], totals: Sequence[Candidate]
) -> tuple[Candidate, ...] | None:
    """Return the most probable combination that adds up: a candidate of each part, and
    of the total; None if none does.
    """
    sums: Mapping[Decimal, Combination] = {Decimal(0): (1.0, ())}
    for candidates in parts:
        longer: dict[Decimal, Combination] = {}
        for total, (probability, chosen) in sums.items():
            for each in candidates:
                if each.number is None:
                    continue
                together = probability * each.probability
                number = total + each.number
                if together > longer.get(number, (0.0,))[0]:
                    longer[number] = together, (*chosen, each)
        best = sorted(longer.items(), key=lambda item: item[1][0], reverse=True)
        sums = dict(islice(best, KEPT))
    found: Combination = (0.0, ())
    for candidate in totals:
        if candidate.number is None or candidate.number not in sums:
            continue
        probability, chosen = sums[candidate.number]
        together = probability * candidate.probability
        if together > found[0]:
            found = together, (*chosen, candidate)
    return found[1] or None
