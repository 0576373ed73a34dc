"""Pictures → readings: which candidate is the digit, and when a picture gets a close look."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.inference import reading
from app.inference.classifier import Classes
from app.inference.reading import Reading, chosen, decide, is_unsure, read_batch, read_bytes
from app.preprocess.candidates import Candidate, candidates
from app.preprocess.decode import Picture, open_image
from app.preprocess.errors import BlankImage, CorruptImage
from app.preprocess.maps import Box
from support import HOSTILE_FILES, MAX_PIXELS, PNG, cropped, drawing, encode, flat, letter, reading_of

LEFT, RIGHT, BOTH = Box(10, 50, 10, 40), Box(10, 50, 60, 90), Box(10, 50, 10, 90)


def candidate(box: Box = LEFT, prior: float = 0.0) -> Candidate:
    return Candidate(np.zeros((28, 28), np.float32), box, prior)


def judged(*rows: tuple[Box, float, float]) -> Reading:
    """Choose among candidates, given as box, legibility and prior; the nth is certainly the digit n."""
    boxes, legibility, priors = zip(*rows, strict=True)
    probabilities = np.eye(10, dtype=np.float32)[: len(rows)]
    return chosen(list(map(candidate, boxes, priors)), probabilities, np.array(legibility, np.float32))


def test_the_most_legible_candidate_is_read():
    read = judged((LEFT, 0.2, 0), (LEFT, 0.9, 0), (LEFT, 0.6, 0))
    assert read.probabilities.argmax() == 1
    assert read.legibility == pytest.approx(0.9)
    assert not read.has_several


@pytest.mark.parametrize(("probable", "runner_up"), [((3, 5), 5), ((5, 3), 3), ((0,), 1), ((9,), 0)])
def test_the_runner_up_is_the_second_most_probable_digit_and_never_the_first(probable, runner_up):
    probabilities = np.zeros(10, np.float32)
    probabilities[list(probable)] = np.linspace(0.6, 0.4, len(probable))
    read = judged((LEFT, 0.9, 0))._replace(probabilities=probabilities)
    assert (read.digit, read.runner_up) == (probable[0], runner_up)


def test_of_two_equally_probable_digits_the_second_is_the_runner_up():
    probabilities = np.array([0, 0, 0, 0.5, 0, 0.5, 0, 0, 0, 0], np.float32)
    read = judged((LEFT, 0.9, 0))._replace(probabilities=probabilities)
    assert (read.digit, read.runner_up) == (3, 5)


@pytest.mark.parametrize(("prior", "digit"), [(-1, 1), (-3, 0)])
def test_priors_are_added_to_log_odds(prior, digit):
    assert judged((LEFT, 0.5, 0), (LEFT, 0.9, prior)).probabilities.argmax() == digit  # 0.9 is odds of 9, or e to 2.2


def test_a_prior_does_not_change_the_legibility():
    assert judged((LEFT, 0.9, -1)).legibility == pytest.approx(0.9)


def test_a_candidate_beside_the_chosen_one_lowers_its_legibility():
    read = judged((LEFT, 0.99, 0), (RIGHT, 0.9, -3), (BOTH, 0.1, 0))
    assert read.box == LEFT
    assert read.legibility == pytest.approx(0.99 * 0.1)
    assert read.has_several


@pytest.mark.parametrize("other", [BOTH, Box(20, 40, 20, 30), Box(10, 29, 60, 75)], ids=["around", "within", "small"])
def test_an_enclosing_enclosed_or_much_smaller_candidate_does_not_lower_the_legibility(other):
    read = judged((LEFT, 0.99, 0), (other, 0.98, -3))
    assert read.legibility == pytest.approx(0.99)
    assert not read.has_several


def test_legibilities_of_0_and_1_give_finite_odds():
    assert judged((LEFT, 1.0, -20), (LEFT, 0.9, 0)).probabilities.argmax() == 1
    assert judged((LEFT, 0.0, 0), (LEFT, 0.1, 0)).probabilities.argmax() == 1


@pytest.mark.parametrize(("legibility", "prior", "is_sure"), [(0.99, 0, True), (0.9, 0, False), (0.99, -3, False)])
def test_a_reading_is_sure_by_its_odds(legibility, prior, is_sure):
    assert judged((LEFT, legibility, prior)).is_sure == is_sure


def test_candidates_of_all_pictures_are_classified_together():
    calls = []

    def classifier(frames: np.ndarray) -> Classes:
        calls.append(len(frames))
        return Classes(
            np.eye(10, dtype=np.float32)[: len(frames)], np.linspace(0.1, 0.9, len(frames), dtype=np.float32)
        )

    readings = decide([[candidate()], [candidate(), candidate(), candidate()], [candidate()]], classifier)
    assert calls == [5]
    assert [int(read.probabilities.argmax()) for read in readings] == [0, 3, 4]


def side_by_side(*digits: np.ndarray) -> Image.Image:
    return Image.fromarray(np.hstack([np.asarray(drawing(digit))[:, 50:350] for digit in digits]))


def test_two_digits_side_by_side_are_several_with_low_legibility(digits):
    pairs = [reading_of(side_by_side(a, b)) for a, b in zip(digits[::50], digits[25::50], strict=True)]
    assert sum(pair.has_several and pair.legibility < 0.5 for pair in pairs) >= 9
    alone = [reading_of(side_by_side(digit)) for digit in digits[::50]]
    assert not any(one.has_several for one in alone)
    assert min(one.legibility for one in alone) > 0.5


@pytest.fixture
def looks(monkeypatch) -> list[tuple[int, bool]]:
    """Record how many pictures each look was at, and whether it was a close one."""
    seen, look = [], reading.look

    def spied(images: Sequence[Image.Image], classifier, closely: bool) -> list:
        seen.append((len(images), closely))
        return look(images, classifier, closely)

    monkeypatch.setattr(reading, "look", spied)
    return seen


def test_a_digit_is_read_at_a_glance(seven, classifier, looks):
    assert read_bytes(encode(drawing(seven)), classifier, MAX_PIXELS).probabilities.argmax() == 7
    assert looks == [(1, False)]


def test_a_picture_blank_at_a_glance_gets_a_close_look(classifier, looks):
    with pytest.raises(BlankImage, match="no ink"):
        read_bytes(flat(255), classifier, MAX_PIXELS)
    assert looks == [(1, False), (1, True)]


def test_an_unsure_reading_gets_a_close_look(classifier, looks):
    read_bytes(encode(letter("A")), classifier, MAX_PIXELS)
    assert looks == [(1, False), (1, True)]


def test_a_damaged_picture_gets_one_look(classifier, looks):
    with pytest.raises(CorruptImage):
        read_bytes(PNG[: len(PNG) // 2], classifier, MAX_PIXELS)
    assert looks == [(1, False)]


def test_the_reason_for_damage_is_on_one_line(classifier):
    with pytest.raises(CorruptImage, match=r"^The picture is cut off or damaged: .+\.$"):  # libheif's ends in a newline
        read_bytes((HOSTILE_FILES / "h_lie.heic").read_bytes(), classifier, MAX_PIXELS)


def test_a_small_digit_on_a_large_sheet_gets_a_close_look(digits, labels):
    read = []
    for digit in digits[::25]:
        sheet = np.full((640, 640), 255, np.uint8)
        sheet[300:328, 200:228] -= digit
        read.append(int(reading_of(sheet).probabilities.argmax()))
    assert (np.array(read) != labels[::25]).sum() <= 1


def test_errors_keep_their_places_among_readings(digits, classifier, looks):
    pictures = [encode(digits[0]), flat(255), encode(drawing(digits[150])), PNG[: len(PNG) // 2], encode(digits[350])]
    zero, blank, three, damaged, seven = read_batch([open_image(data, MAX_PIXELS) for data in pictures], classifier)
    assert [int(good.probabilities.argmax()) for good in (zero, three, seven)] == [0, 3, 7]
    assert isinstance(blank, BlankImage)
    assert isinstance(damaged, CorruptImage)
    assert blank.__traceback__ is None  # it would keep the picture in memory
    assert zero.batch_size == 3
    assert looks[0] == (5, False)
    assert not looks[1:] or looks[1][1]


def test_an_unforeseen_error_does_not_affect_other_pictures(seven, classifier, monkeypatch):
    def fail_on_small(picture: Picture, closely: bool) -> list[Candidate]:
        if picture.width == 28:
            raise RuntimeError
        return candidates(picture, closely)

    monkeypatch.setattr(reading, "candidates", fail_on_small)
    pictures = [encode(drawing(seven)), encode(seven), encode(drawing(seven))]
    first, error, last = read_batch([open_image(data, MAX_PIXELS) for data in pictures], classifier)
    assert (first.digit, last.digit) == (7, 7)
    assert isinstance(error, RuntimeError)
    assert error.__traceback__ is not None  # to be logged


def test_unsure_pictures_of_a_batch_get_a_close_look_together(seven, classifier, looks):
    pictures = [encode(letter(text).resize((100, 100))) for text in "AWR"]
    pictures.insert(1, encode(seven))
    outcomes = read_batch([open_image(data, MAX_PIXELS) for data in pictures], classifier)
    assert looks == [(4, False), (3, True)]
    np.testing.assert_array_equal(outcomes[1].frame, seven / np.float32(255))
    for data, outcome in zip(pictures, outcomes, strict=True):
        np.testing.assert_array_equal(outcome.frame, read_bytes(data, classifier, MAX_PIXELS).frame)


def test_only_blank_and_unsure_pictures_get_a_second_look():
    sure, unsure = judged((LEFT, 0.99, 0)), judged((LEFT, 0.5, 0))
    assert [is_unsure(each) for each in (sure, unsure, BlankImage(), CorruptImage())] == [False, True, True, False]


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
    read = [read_bytes(encode(form(digit)), classifier).digit for digit in digits[::10]]
    assert (read != labels[::10]).sum() <= 5
