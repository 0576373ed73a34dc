"""Pictures → readings: decoded one by one, then preprocessed and classified in batches.

Preprocessing proposes candidates, and the network decides which one is the digit. If it is not sure after a glance, the
picture gets a close look.
"""

import math
from collections.abc import Sequence
from functools import partial
from time import perf_counter_ns
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.inference.classifier import Classifier
from app.inference.stage import Stage, preceded
from app.inference.thresholds import MAX_PIXELS
from app.preprocess.candidates import CLOSE_SIDE, GLANCE_SIDE, Candidate, candidates
from app.preprocess.decode import decode_image, open_image
from app.preprocess.errors import BlankImage, attempt
from app.preprocess.maps import Box, Map

SURE = math.log(0.98 / 0.02)  # log-odds from which a glance is enough
ALIKE = 2  # divides log-odds, since the errors of candidates of one picture are correlated
CERTAIN = 1e-6  # legibility is clipped this close to 0 and 1


class Reading(NamedTuple):
    """The digit that was read in a picture.

    Attributes
    ----------
    frame : Map
        (28, 28) float32 in [0, 1], ink = 1: the network's input.
    box : Box
        Bounding box of the digit, in pixels of the upright picture.
    probabilities : NDArray
        (10,) float32, indexed by digit: averaged over all candidates, weighted by legibility and prior.
    legibility : float
        Probability that the picture shows one whole digit, and no other beside it.
    has_several : bool
        Whether there probably is another digit beside it, which lowers the legibility.
    is_sure : bool
        Whether a close look is unlikely to find a better reading.
    stages : tuple of Stage
        The timed stages: decode, preprocess, inference; before them, the glance if a close look followed. Pictures of
        one batch share them.
    batch_size : int
        Number of pictures that were classified in one batch.
    ink : Map or None
        (H, W) float32 in [0, 1]: the ink of the whole picture, if requested.
    """

    frame: Map
    box: Box
    probabilities: NDArray[np.float32]
    legibility: float
    has_several: bool
    is_sure: bool = True
    stages: tuple[Stage, ...] = ()
    batch_size: int = 1
    ink: Map | None = None

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(self.probabilities.argmax())

    @property
    def runner_up(self) -> int:
        """The second most probable digit."""
        return int(np.argsort(-self.probabilities, kind="stable")[1])  # stable, like argmax, if two are equal


def read_bytes(data: bytes, classifier: Classifier, max_pixels: int = MAX_PIXELS) -> Reading:
    """Read one picture; raises PreprocessError."""
    outcome = look([open_image(data, max_pixels)], classifier, closely=False)[0]
    if is_unsure(outcome):
        outcome = look([open_image(data, max_pixels)], classifier, closely=True)[0]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def read_batch(images: Sequence[Image.Image], classifier: Classifier) -> list[Reading | Exception]:
    """Read a batch of small pictures; a batch of 256 takes two fifths of the time of single pictures.

    Parameters
    ----------
    images : sequence of Image
        Pictures from `open_image`, none larger than GLANCE_SIDE.
    classifier : Classifier
        The network.

    Returns
    -------
    list of Reading or Exception
        One entry per picture. One that cannot be read has its exception, and does not affect the others.
    """
    begin = perf_counter_ns()
    outcomes = look(images, classifier, closely=False)
    unsure = [index for index, outcome in enumerate(outcomes) if is_unsure(outcome)]
    again = look([images[index] for index in unsure], classifier, closely=True) if unsure else []
    for index, outcome in zip(unsure, again, strict=True):
        if isinstance(outcome, Reading):
            outcome = outcome._replace(stages=preceded(outcome.stages, "glance", begin))
        outcomes[index] = outcome
    return outcomes


def look(images: Sequence[Image.Image], classifier: Classifier, closely: bool) -> list[Reading | Exception]:
    """Read pictures at a glance, or closely."""
    times = [perf_counter_ns()]
    side = CLOSE_SIDE if closely else GLANCE_SIDE
    decoded = [attempt(partial(decode_image, side=side), image) for image in images]
    times.append(perf_counter_ns())
    found = [attempt(partial(candidates, closely=closely), picture) for picture in decoded]
    times.append(perf_counter_ns())
    good = [of_picture for of_picture in found if not isinstance(of_picture, Exception)]
    readings = iter(decide(good, classifier) if good else ())
    times.append(perf_counter_ns())
    stages = tuple(map(Stage, ("decode", "preprocess", "inference"), times, times[1:]))
    return [
        of_picture
        if isinstance(of_picture, Exception)
        else next(readings)._replace(stages=stages, batch_size=len(good))
        for of_picture in found
    ]


def is_unsure(outcome: Reading | Exception) -> bool:
    """Return whether a picture needs a close look after a glance."""
    return isinstance(outcome, BlankImage) or (isinstance(outcome, Reading) and not outcome.is_sure)


def decide(pictures: Sequence[Sequence[Candidate]], classifier: Classifier) -> list[Reading]:
    """Read each picture's most probable candidate; all candidates are classified in one batch."""
    frames = np.stack([candidate.frame for found in pictures for candidate in found])
    outputs = classifier(frames).split(map(len, pictures))
    return [chosen(found, *output) for found, output in zip(pictures, outputs, strict=True)]


def chosen(
    candidates: Sequence[Candidate], probabilities: NDArray[np.float32], legibility: NDArray[np.float32]
) -> Reading:
    """Return the most probable digit over all candidates, with the candidate that supports it most."""
    log_odds = [
        log_odds_of(legible) + candidate.prior
        for legible, candidate in zip(legibility.tolist(), candidates, strict=True)
    ]
    if len(candidates) == 1:
        ((frame, box, _, ink),) = candidates
        return Reading(frame, box, probabilities[0], float(legibility[0]), False, log_odds[0] >= SURE, ink=ink)
    odds = np.array(log_odds)
    weights = np.exp((odds - odds.max()) / ALIKE)
    expected: NDArray[np.float32] = (weights @ probabilities / weights.sum()).astype(np.float32)
    best = int((weights * probabilities[:, expected.argmax()]).argmax())
    frame, box, _, ink = candidates[best]
    others = [legible for other, legible in zip(candidates, legibility.tolist(), strict=True) if is_beside(box, other)]
    beside = max(others, default=0.0)
    legible = float(legibility[best]) * (1 - beside)
    return Reading(frame, box, expected, legible, beside > 0.5, bool(odds[best] >= SURE), ink=ink)


def log_odds_of(probability: float) -> float:
    """Return the log-odds of a probability, clipped to be finite."""
    likely = min(max(probability, CERTAIN), 1 - CERTAIN)
    return math.log(likely / (1 - likely))


def is_beside(box: Box, other: Candidate) -> bool:
    """Return whether another candidate lies beside a box, and is at least half its size."""
    return box.is_apart(other.box) and 2 * other.box.size >= box.size
