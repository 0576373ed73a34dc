"""Picture bytes → a reading: which digit is in the picture.

Preprocessing proposes candidates, view after view, and the network decides which one is
the digit. Once it is sure, no further view is tried.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image

from app.digit.candidates import ink_around
from app.digit.classifier import Classes, Classifier
from app.digit.opinion import SecondOpinion
from app.digit.search import search
from app.network import Values
from app.picture.decode import decode_image
from app.picture.file_formats import MAX_PIXELS
from app.picture.maps import Map, PixelBox
from app.picture.opening import open_image
from app.picture.region import Region
from app.stopwatch import Stopwatch

SIDE = 320  # longer side to which a larger picture is downscaled, in pixels


class NotADigit(Exception):
    """According to the network, the picture does not show one whole digit."""


class Reading(NamedTuple):
    """The digit that was read in a picture.

    Attributes
    ----------
    frame : Map
        (28, 28) float32 in [0, 1], ink = 1: the network's input.
    box : PixelBox
        Bounding box of the digit, in pixels of the upright picture.
    probabilities : NDArray
        (10,) float32, indexed by digit: averaged over all candidates, weighted by
        legibility and prior.
    legibility : float
        Probability that the picture shows one whole digit, and no other beside it.
    has_several : bool
        Whether there probably is another digit beside it, which lowers the legibility.
    has_second_opinion : bool
        Whether the line network was asked too.
    ink : Map or None
        (H, W) float32 in [0, 1]: the ink of the whole picture, at the resolution that
        was searched, if requested.
    model : str
        The versions of the files that read it, as `Reader` knows them.
    """

    frame: Map
    box: PixelBox
    probabilities: Values
    legibility: float
    has_several: bool
    has_second_opinion: bool = False
    ink: Map | None = None
    model: str = ""

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


@dataclass(frozen=True)
class DigitOptions:
    """How to read a digit.

    Attributes
    ----------
    page : int, optional
        Which page of a TIFF or PDF, as for `open_image`.
    has_opinion : bool
        Whether the line network is asked about a doubtful digit.
    with_ink : bool
        Whether to return the ink of the whole picture with the reading.
    must_be_legible : bool
        Whether a `Reader` refuses a reading whose legibility is too low.
    region : Region, optional
        The part of the picture that is read; by default all.
    """

    page: int | None = None
    has_opinion: bool = True
    with_ink: bool = False
    must_be_legible: bool = True
    region: Region | None = None


AS_USUAL = DigitOptions()
Steps = Generator[Map, Classes | None, Reading]  # yields frames, is sent their classes


@dataclass(eq=False)
class Job:
    """A picture that is being read.

    Attributes
    ----------
    steps : Steps
        From `judged`.
    watch : Stopwatch
        Times its stages.
    finish : callable
        Called with the reading, or the error.
    classes : Classes or None
        Those of the last frames.
    """

    steps: Steps
    watch: Stopwatch
    finish: Callable[[Reading | Exception], None]
    classes: Classes | None = None

    def next_frames(self) -> Map | None:
        """Take the next step; return its frames, or None at the end."""
        try:
            frames = self.steps.send(self.classes)
        except StopIteration as end:
            self.finish(end.value)
        except Exception as error:
            self.finish(error)
        else:
            self.watch.end("preprocess")
            return frames
        return None


def read_digit(
    data: bytes,
    classifier: Classifier,
    opinion: SecondOpinion | None = None,
    options: DigitOptions = AS_USUAL,
) -> Reading:
    """Read the digit in one picture.

    Parameters
    ----------
    data : bytes
        A picture file.
    classifier : Classifier
        The dense network.
    opinion : SecondOpinion, optional
        Asked where the dense network is not sure, or there is other ink than that of
        the digit.
    options : DigitOptions
        How to read it.

    Raises
    ------
    PictureError
    """
    image = open_image(data, page=options.page)
    return digit_in(image, classifier, opinion, options)


def digit_in(
    image: Image.Image,
    classifier: Classifier,
    opinion: SecondOpinion | None,
    options: DigitOptions,
    watch: Stopwatch | None = None,
) -> Reading:
    """Read the digit in a picture from `open_image`; else as `read_digit`.

    Parameters
    ----------
    watch : Stopwatch, optional
        Times the stages: decode, then preprocess and inference, for each view that is
        tried.
    """
    outcomes: list[Reading | Exception] = []
    watch = watch or Stopwatch()
    jobs = [Job(judged(image, watch, opinion, options), watch, outcomes.append)]
    while jobs:
        jobs = take_steps(jobs, classifier)
    outcome = outcomes.pop()
    if isinstance(outcome, Exception):
        try:
            raise outcome
        finally:  # or it would keep the picture until a garbage collection
            del outcome
    return outcome


def read_digits(
    pictures: Iterable[bytes],
    classifier: Classifier,
    opinion: SecondOpinion | None,
    options: DigitOptions,
    max_pixels: int = MAX_PIXELS,
) -> list[Reading | Exception]:
    """Read the digit in each of several pictures, whose frames share batches.

    The parameters are those of `read_digit`. For a picture that cannot be read, the
    error is returned.
    """
    outcomes: dict[int, Reading | Exception] = {}
    jobs: list[Job] = []
    for number, data in enumerate(pictures):
        watch = Stopwatch()
        try:
            image = open_image(data, max_pixels, page=options.page)
        except Exception as error:
            outcomes[number] = error
        else:
            steps = judged(image, watch, opinion, options)
            jobs.append(Job(steps, watch, partial(outcomes.__setitem__, number)))
    while jobs:
        jobs = take_steps(jobs, classifier)
    # An error refers to this frame, which must not keep it, and the picture with it.
    return [outcomes.pop(number) for number in range(len(outcomes))]


def take_steps(jobs: Iterable[Job], classifier: Classifier) -> list[Job]:
    """Take a step of each job, whose frames share a batch; return those that go on."""
    going = []
    frames = []
    for job in jobs:
        own = job.next_frames()
        if own is not None:
            going.append(job)
            frames.append(own)
    if not going:
        return []
    for job in going:
        job.watch.end("wait")
    try:
        classes = classifier(np.concatenate(frames))
    except Exception as error:  # callers must never wait forever
        for job in going:
            job.finish(error)
        return []
    for job, part in zip(going, classes.split(map(len, frames)), strict=True):
        job.classes = part
        job.watch.end("inference", len(going))
    return going


def judged(
    image: Image.Image,
    watch: Stopwatch,
    opinion: SecondOpinion | None,
    options: DigitOptions,
) -> Steps:
    """Decode a picture and judge which digit is in it, step by step.

    Yields frames (n, 28, 28), and is sent their classes.

    Parameters
    ----------
    image : Image.Image
        From `open_image`.
    watch : Stopwatch
        Times the stages; those of the steps are timed by the caller.
    opinion, options
        As in `read_digit`.

    Raises
    ------
    PictureError
    """
    watch.end("wait")
    picture = decode_image(image, SIDE, options.region)
    watch.end("decode")
    choice = yield from search(picture)
    best, shares, legible, has_several, *_ = choice
    reading = Reading(best.frame, best.box, shares, legible, has_several)
    if opinion and options.has_opinion and opinion.is_wanted(choice):
        shares, legible, sees_several = opinion(choice)
        reading = reading._replace(
            probabilities=shares,
            legibility=legible,
            has_several=has_several or sees_several,
            has_second_opinion=True,
        )
        watch.end("inference")
    return reading._replace(ink=ink_around(best)) if options.with_ink else reading
