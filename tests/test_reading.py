"""Pictures → readings: which candidate is the digit, and when no further view is tried."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.inference.reading import Reading, chosen, read_digit
from app.preprocess.candidates import Candidate
from app.preprocess.errors import BlankImage, CorruptImage
from app.preprocess.ink import View
from app.preprocess.maps import Box
from support import (
    HOSTILE_FILES,
    MAX_PIXELS,
    PNG,
    cropped,
    drawing,
    encode,
    flat,
    letter,
    reading_of,
)

LEFT, RIGHT, BOTH = Box(10, 50, 10, 40), Box(10, 50, 60, 90), Box(10, 50, 10, 90)


def candidate(box: Box = LEFT, prior: float = 0.0) -> Candidate:
    return Candidate(np.zeros((28, 28), np.float32), box, prior, None, View(np.zeros((60, 100), np.float32)))


def judged_among(*rows: tuple[Box, float, float]) -> Reading:
    """Choose among candidates, given as box, legibility and prior; the nth is certainly the digit n."""
    boxes, legibility, priors = zip(*rows, strict=True)
    probabilities = np.eye(10, dtype=np.float32)[: len(rows)]
    return chosen(list(map(candidate, boxes, priors)), probabilities, np.array(legibility, np.float32))[1]


def test_the_most_legible_candidate_is_read():
    read = judged_among((LEFT, 0.2, 0), (LEFT, 0.9, 0), (LEFT, 0.6, 0))
    assert read.probabilities.argmax() == 1
    assert read.legibility == pytest.approx(0.9)
    assert not read.has_several


@pytest.mark.parametrize(("probable", "runner_up"), [((3, 5), 5), ((5, 3), 3), ((0,), 1), ((9,), 0)])
def test_the_runner_up_is_the_second_most_probable_digit_and_never_the_first(probable, runner_up):
    probabilities = np.zeros(10, np.float32)
    probabilities[list(probable)] = np.linspace(0.6, 0.4, len(probable))
    read = judged_among((LEFT, 0.9, 0))._replace(probabilities=probabilities)
    assert (read.digit, read.runner_up) == (probable[0], runner_up)


def test_of_two_equally_probable_digits_the_second_is_the_runner_up():
    probabilities = np.array([0, 0, 0, 0.5, 0, 0.5, 0, 0, 0, 0], np.float32)
    read = judged_among((LEFT, 0.9, 0))._replace(probabilities=probabilities)
    assert (read.digit, read.runner_up) == (3, 5)


@pytest.mark.parametrize(("prior", "digit"), [(-1, 1), (-3, 0)])
def test_priors_are_added_to_log_odds(prior, digit):
    assert (
        judged_among((LEFT, 0.5, 0), (LEFT, 0.9, prior)).probabilities.argmax() == digit
    )  # 0.9 is odds of 9, or e to 2.2


def test_a_prior_does_not_change_the_legibility():
    assert judged_among((LEFT, 0.9, -1)).legibility == pytest.approx(0.9)


def test_a_candidate_beside_the_chosen_one_lowers_its_legibility():
    read = judged_among((LEFT, 0.99, 0), (RIGHT, 0.9, -3), (BOTH, 0.1, 0))
    assert read.box == LEFT
    assert read.legibility == pytest.approx(0.99 * 0.1)
    assert read.has_several


@pytest.mark.parametrize("other", [BOTH, Box(20, 40, 20, 30), Box(10, 29, 60, 75)], ids=["around", "within", "small"])
def test_an_enclosing_enclosed_or_much_smaller_candidate_does_not_lower_the_legibility(other):
    read = judged_among((LEFT, 0.99, 0), (other, 0.98, -3))
    assert read.legibility == pytest.approx(0.99)
    assert not read.has_several


def test_legibilities_of_0_and_1_give_finite_odds():
    assert judged_among((LEFT, 1.0, -20), (LEFT, 0.9, 0)).probabilities.argmax() == 1
    assert judged_among((LEFT, 0.0, 0), (LEFT, 0.1, 0)).probabilities.argmax() == 1


@pytest.mark.parametrize(("legibility", "prior", "is_sure"), [(0.99, 0, True), (0.9, 0, False), (0.99, -3, False)])
def test_a_reading_is_sure_by_its_odds(legibility, prior, is_sure):
    assert judged_among((LEFT, legibility, prior)).is_sure == is_sure


@pytest.mark.parametrize(("small", "digit"), [(Box(10, 12, 10, 11), 1), (Box(10, 50, 10, 30), 0)])
def test_a_smaller_candidate_is_less_probable(small, digit):
    assert judged_among((small, 0.8, 0), (RIGHT, 0.6, 0)).digit == digit


def side_by_side(*digits: np.ndarray) -> Image.Image:
    return Image.fromarray(np.hstack([np.asarray(drawing(digit))[:, 50:350] for digit in digits]))


def test_two_digits_side_by_side_are_several_with_low_legibility(digits):
    pairs = [reading_of(side_by_side(a, b)) for a, b in zip(digits[::50], digits[25::50], strict=True)]
    assert sum(pair.has_several and pair.legibility < 0.5 for pair in pairs) >= 9
    alone = [reading_of(side_by_side(digit)) for digit in digits[::50]]
    assert not any(one.has_several for one in alone)
    assert min(one.legibility for one in alone) > 0.5


def views_of(picture: bytes, classifier) -> int:
    """Count the views that are tried until the network is sure."""
    return [stage.name for stage in read_digit(picture, classifier).stages].count("inference")


def test_a_clear_digit_is_read_in_the_first_view(seven, classifier):
    assert views_of(encode(drawing(seven)), classifier) == 1


def test_further_views_are_tried_until_the_network_is_sure(classifier):
    assert views_of(encode(letter("A")), classifier) > 1


def test_a_blank_picture_has_no_reading(classifier):
    with pytest.raises(BlankImage, match="no ink"):
        read_digit(flat(255), classifier, MAX_PIXELS)


def test_a_damaged_picture_has_no_reading(classifier):
    with pytest.raises(CorruptImage):
        read_digit(PNG[: len(PNG) // 2], classifier, MAX_PIXELS)


def test_the_ink_is_only_returned_on_request(seven, classifier):
    assert read_digit(encode(drawing(seven)), classifier).ink is None
    assert read_digit(encode(drawing(seven)), classifier, with_ink=True).ink.max() == 1


def test_a_reading_reports_the_time_of_each_stage(classifier):
    stages = read_digit(encode(letter("A")), classifier).stages
    assert [stage.name for stage in stages[:5]] == ["decode", "preprocess", "inference", "preprocess", "inference"]
    times = [time for stage in stages for time in (stage.begin, stage.end)]
    assert times == sorted(times)


def test_the_reason_for_damage_is_on_one_line(classifier):
    with pytest.raises(CorruptImage, match=r"^The picture is cut off or damaged: .+\.$"):  # libheif's ends in a newline
        read_digit((HOSTILE_FILES / "h_lie.heic").read_bytes(), classifier, MAX_PIXELS)


def test_a_small_digit_on_a_large_sheet_is_read(digits, labels):
    read = []
    for digit in digits[::25]:
        sheet = np.full((640, 640), 255, np.uint8)
        sheet[300:328, 200:228] -= digit
        read.append(int(reading_of(sheet).probabilities.argmax()))
    assert (np.array(read) != labels[::25]).sum() <= 1


def form(digit: np.ndarray) -> Image.Image:
    """Write a digit into the first of two printed boxes, so that it touches the lines on its left and below it."""
    sheet = Image.new("L", (300, 180), 255)
    for left, right in ((30, 150), (150, 270)):
        ImageDraw.Draw(sheet).rectangle((left, 20, right, 160), outline=90, width=3)
    ink = Image.fromarray(cropped(digit))
    ink = ink.resize((5 * ink.width, 5 * ink.height), Image.Resampling.BICUBIC)
    sheet.paste(40, (32, 162 - ink.height), ink)
    return sheet


def test_a_digit_that_touches_its_printed_box_is_read(digits, labels, classifier):
    read = [read_digit(encode(form(digit)), classifier).digit for digit in digits[::10]]
    assert (read != labels[::10]).sum() <= 5
