"""Decoded picture → which of its candidates is the digit, by the dense network."""

import math
from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np

from app.digit.candidates import Candidate, candidates
from app.digit.classifier import Classes
from app.network import Values, log_odds_of
from app.picture.decode import Picture
from app.picture.errors import BlankImage
from app.picture.maps import Map, PixelBox

COARSE_SIDE = 160  # longer side of a picture when it is looked at first, in pixels
# Pixels of the coarse image, as in a frame: a digit that is not larger is looked at in
# the finer one too.
SMALL = 20
SURE = 0.99  # that it is legible, and which digit it is: no further view is tried
# Divides log-odds, since the errors of candidates of one picture are correlated.
ALIKE = 2


class Choice(NamedTuple):
    """The candidate that most supports the digit that all candidates show.

    Attributes
    ----------
    best : Candidate
        The candidate.
    probabilities : NDArray
        (10,) float32: averaged over all candidates, weighted by legibility and prior.
    legibility : float
        Probability that the picture shows one whole digit, and no other beside it.
    has_several : bool
        Whether there probably is another digit beside it, which lowers the legibility.
    is_sure : bool
        Whether further views are unlikely to give a better reading.
    others : list of PixelBox
        Where the other candidates are.
    """

    best: Candidate
    probabilities: Values
    legibility: float
    has_several: bool
    is_sure: bool
    others: Sequence[PixelBox] = ()


Search = Generator[Map, Classes | None, Choice]  # yields frames, is sent their classes


def search(picture: Picture) -> Search:
    """Look for the digit in a picture, view after view, until one is sure.

    Yields the frames (n, 28, 28) of a view's candidates, and is sent their classes.
    Raises BlankImage if there is no candidate.
    """
    found: list[Candidate] = []
    classes: list[Classes] = []
    coarse = picture.reduced(COARSE_SIDE)
    for seen in (picture,) if coarse is picture else (coarse, picture):
        for further in candidates(seen):
            classified = yield np.stack([candidate.frame for candidate in further])
            assert classified is not None
            found += further
            classes.append(classified)
            choice = choose(found, Classes.joined(classes))
            if choice.is_sure:
                return choice
        if found and choice.best.box.size > SMALL * seen.scale:
            break
    if not found:
        raise BlankImage(
            "There is no ink in the picture: write the digit darker or larger, or crop "
            "closer to it."
        )
    return choice


def choose(found: Sequence[Candidate], classes: Classes) -> Choice:
    """Choose the candidate that most supports the digit that all of them show.

    The log-odds of a candidate are those of its legibility, and its prior, which is
    lower if others are larger.
    """
    probabilities, legibility = classes
    if len(found) == 1:  # as in MNIST's images: all that follows would take 30 µs
        (only,) = found
        legible = float(legibility[0])
        shares = probabilities[0]
        is_sure = is_sure_of(log_odds_of(legible) + only.prior, shares)
        return Choice(only, shares, legible, False, is_sure)
    pairs = [*zip(found, legibility.tolist(), strict=True)]
    largest = max(each.box.size for each in found)
    log_odds = []
    for each, legible in pairs:
        share = math.log(each.box.size / largest)
        log_odds.append(log_odds_of(legible) + each.prior + share)
    odds = np.array(log_odds)
    weights = np.exp((odds - odds.max()) / ALIKE)
    expected = (weights @ probabilities / weights.sum()).astype(np.float32)
    place = int((weights * probabilities[:, expected.argmax()]).argmax())
    best, legible = pairs[place]
    others = [share for other, share in pairs if is_beside(best.box, other)]
    beside = max(others, default=0.0)
    return Choice(
        best,
        expected,
        legible * (1 - beside),
        beside > 0.5,
        is_sure_of(log_odds[place], expected),
        [each.box for each in found if each is not best],
    )


def is_sure_of(log_odds: float, probabilities: Values) -> bool:
    """Return whether further views are unlikely to give a better reading."""
    return log_odds >= log_odds_of(SURE) and float(probabilities.max()) >= SURE


def is_beside(box: PixelBox, other: Candidate) -> bool:
    """Return whether another candidate lies beside a box, at least half as large."""
    return box.is_apart(other.box) and 2 * other.box.size >= box.size
