"""Refuses readings below the minimum legibility."""

from app.inference.reading import Reading
from app.web.errors import NotADigit


def legible(reading: Reading, least: float) -> Reading:
    """Return a reading with a legibility of at least `least`; raise NotADigit for others."""
    if reading.legibility >= least:
        return reading
    if reading.has_several:
        raise NotADigit("There are several digits in the picture: send one at a time, or use POST /read.")
    raise NotADigit("The picture does not look like one whole digit: write one larger or darker, or crop closer to it.")
