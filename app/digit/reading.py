"""Picture bytes → a reading: which digit is in the picture.

Preprocessing proposes candidates, view after view, and the network decides which one is
the digit. Once it is sure, no further view is tried.
"""

import math
from collections.abc import Generator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.digit.candidates import Candidate, candidates, ink_around
from app.digit.classifier import Classes, Classifier
from app.digit.opinion import SecondOpinion
from app.network import log_odds_of
from app.picture.decode import decode_image, open_image
from app.picture.errors import BlankImage
from app.picture.formats import MAX_PIXELS
from app.picture.maps import Box, Map
from app.stage import Stage, Stopwatch

# Longer sides to which a larger picture is downscaled, in pixels.
SIDE, COARSE_SIDE = 320, 160
# Pixels of the coarse image, as in a frame: a digit that is not larger is looked at in
# the finer one too.
SMALL = 20
SURE = 0.99  # that it is legible, and which digit it is: no further view is tried
# Divides log-odds, since the errors of candidates of one picture are correlated.
ALIKE = 2
Result = TypeVar("Result")
# Yields frames (n, 28, 28), is sent their classes, and returns the result.
Steps = Generator[Map, Classes, Result]


class NotADigit(Exception):
    """According to the network, the picture does not show one whole digit."""


class Reading(NamedTuple):
    """The digit that was read in a picture.

    Attributes
    ----------
    frame : Map
        (28, 28) float32 in [0, 1], ink = 1: the network's input.
    box : Box
        Bounding box of the digit, in pixels of the upright picture.
    probabilities : NDArray
        (10,) float32, indexed by digit: averaged over all candidates, weighted by
        legibility and prior.
    legibility : float
        Probability that the picture shows one whole digit, and no other beside it.
    has_several : bool
        Whether there probably is another digit beside it, which lowers the legibility.
    is_sure : bool
        Whether further views are unlikely to give a better reading.
    has_second_opinion : bool
        Whether the line network was asked too.
    ink : Map or None
        (H, W) float32 in [0, 1]: the ink of the whole picture, at the resolution that
        was searched, if requested.
    stages : tuple of Stage
        The timed stages: decode, then preprocess and inference, for each view that was
        tried.
    """

    frame: Map
    box: Box
    probabilities: NDArray[np.float32]
    legibility: float
    has_several: bool
    is_sure: bool = True
    has_second_opinion: bool = False
    ink: Map | None = None
    stages: tuple[Stage, ...] = ()

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(self.probabilities.argmax())

    def require_legible(self, least: float) -> "Reading":
        """Return the reading if its legibility is at least `least`; raise NotADigit
        otherwise.
        """
        if self.legibility >= least:
            return self
        if self.has_several:
            raise NotADigit(
                "There are several digits in the picture: send one at a time, or use "
                "POST /read."
            )
        raise NotADigit(
            "The picture does not look like one whole digit: write one larger or "
            "darker, or crop closer to it."
        )

    @property
    def runner_up(self) -> int:
        """The second most probable digit."""
        # Stable, like argmax, if two are equal.
        return int(np.argsort(-self.probabilities, kind="stable")[1])


def read_digit(
    data: bytes,
    classifier: Classifier,
    max_pixels: int = MAX_PIXELS,
    with_ink: bool = False,
    opinion: SecondOpinion | None = None,
    page: int | None = None,
) -> Reading:
    """Read the digit in one picture.

    Parameters
    ----------
    data : bytes
        A picture file.
    classifier : Classifier
        The dense network.
    max_pixels, page
        As for `open_image`.
    with_ink : bool
        Whether to return the ink of the whole picture with the reading.
    opinion : SecondOpinion, optional
        Asked where the dense network is not sure, or there is other ink than that of
        the digit.

    Raises
    ------
    PreprocessError
    """
    watch = Stopwatch()
    steps = judged(open_image(data, max_pixels, page=page), watch, with_ink, opinion)
    frames = next(steps)
    while True:
        classes = classifier(frames)
        watch.end("inference")
        try:
            frames = steps.send(classes)
        except StopIteration as end:
            reading: Reading = end.value
            return reading


def judged(
    image: Image.Image,
    watch: Stopwatch,
    with_ink: bool = False,
    opinion: SecondOpinion | None = None,
) -> Steps["Reading"]:
    """Decode a picture and read the digit in it, step by step: yield frames, and be
    sent their classes.

    Parameters
    ----------
    image : Image.Image
        From `open_image`.
    watch : Stopwatch
        Times the stages; the inference is timed by the caller.
    with_ink, opinion
        As in `read_digit`.

    Raises
    ------
    PreprocessError
    """
    picture = decode_image(image, SIDE)
    watch.end("decode")
    found: list[Candidate] = []
    probabilities, legibility = np.zeros((0, 10), np.float32), np.zeros(0, np.float32)
    coarse = picture.reduced(COARSE_SIDE)
    for seen in (picture,) if coarse is picture else (coarse, picture):
        for further in candidates(seen):
            frames = np.stack([candidate.frame for candidate in further])
            watch.end("preprocess")
            classes = yield frames
            found += further
            probabilities = np.concatenate([probabilities, classes.probabilities])
            legibility = np.concatenate([legibility, classes.legibility])
            best, reading = chosen(found, probabilities, legibility)
            if reading.is_sure:
                break
        if found and (reading.is_sure or best.box.size > SMALL * seen.scale):
            break
    if not found:
        raise BlankImage(
            "There is no ink in the picture: write the digit darker or larger, or "
            "crop closer to it."
        )
    if opinion and (
        opinion.is_needed(reading.probabilities, reading.legibility)
        or any(not best.box.contains(other.box) for other in found)
    ):
        shares, legible, has_several = opinion(
            best.picture, best.box, reading.probabilities, reading.legibility
        )
        has_several = has_several or reading.has_several
        reading = reading._replace(
            probabilities=shares,
            legibility=legible,
            has_several=has_several,
            has_second_opinion=True,
        )
        watch.end("inference")
    return reading._replace(
        ink=ink_around(best) if with_ink else None, stages=tuple(watch.stages)
    )


def chosen(
    candidates: Sequence[Candidate],
    probabilities: NDArray[np.float32],
    legibility: NDArray[np.float32],
) -> tuple[Candidate, Reading]:
    """Return the candidate that supports the most probable digit over all candidates
    most, and the reading.

    The log-odds of a candidate are those of its legibility, and its prior, which is
    lower if others are larger.
    """
    if len(candidates) == 1:
        (only,) = candidates
        is_sure = is_sure_of(
            log_odds_of(float(legibility[0])) + only.prior, probabilities[0]
        )
        return only, Reading(
            only.frame, only.box, probabilities[0], float(legibility[0]), False, is_sure
        )
    largest = max(candidate.box.size for candidate in candidates)
    odds = np.array(
        [
            log_odds_of(legible)
            + candidate.prior
            + math.log(candidate.box.size / largest)
            for legible, candidate in zip(legibility.tolist(), candidates, strict=True)
        ]
    )
    weights = np.exp((odds - odds.max()) / ALIKE)
    expected: NDArray[np.float32] = (weights @ probabilities / weights.sum()).astype(
        np.float32
    )
    best = int((weights * probabilities[:, expected.argmax()]).argmax())
    frame, box = candidates[best].frame, candidates[best].box
    others = [
        legible
        for other, legible in zip(candidates, legibility.tolist(), strict=True)
        if is_beside(box, other)
    ]
    beside = max(others, default=0.0)
    legible = float(legibility[best]) * (1 - beside)
    return candidates[best], Reading(
        frame, box, expected, legible, beside > 0.5, is_sure_of(odds[best], expected)
    )


def is_sure_of(odds: float, probabilities: NDArray[np.float32]) -> bool:
    """Return whether further views are unlikely to give a better reading."""
    return odds >= log_odds_of(SURE) and float(probabilities.max()) >= SURE


def is_beside(box: Box, other: Candidate) -> bool:
    """Return whether another candidate lies beside a box, and is at least half its
    size.
    """
    return box.is_apart(other.box) and 2 * other.box.size >= box.size
