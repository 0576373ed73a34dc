"""Refuses readings below the minimum legibility."""

from app.inference.reading import Reading
from app.web.errors import NotADigit


def check_legibility(reading: Reading, least: float) -> None:
    """Raise NotADigit if the legibility of a reading is below `least`."""
    if reading.legibility >= least:
        return
    if reading.has_several:
        raise NotADigit("There are several digits in the picture: send one at a time.")
    raise NotADigit("The picture does not look like one whole digit: write it larger or darker, or crop closer to it.")
