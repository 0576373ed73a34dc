"""Pictures of numbers, also with marks: reproducible from the seed, and showing what their text says."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import marks
import strings
from app.inference.text import read_text
from support import MAX_PIXELS

pytestmark = pytest.mark.slow
SCENES = [*strings.SCENES, strings.TWO_LINES]


@pytest.mark.parametrize("scene", SCENES)
def test_a_picture_depends_only_on_seed_scene_and_index(digits, labels, scene):
    one, again, other, elsewhere = (
        strings.number(scene, digits, labels, seed, index, (2, 4)) for seed, index in [(0, 3), (0, 3), (1, 3), (0, 4)]
    )
    assert one == again
    assert one.picture not in (other.picture, elsewhere.picture)
    assert min(Image.open(BytesIO(one.picture)).size) >= 20


@pytest.mark.parametrize(
    "scene", [name for name in SCENES if name not in {"touching", "cheque", "with-signs", *strings.WITHOUT_DIGITS}]
)
def test_written_numbers_can_be_read(shuffled, line_network, scene):
    right = 0
    for index in range(12):
        number = strings.number(scene, *shuffled, 0, index, (1, 4))
        right += read_text(number.picture, line_network, MAX_PIXELS).digits_only().text == number.text
    assert right >= 9


def test_numbers_have_the_requested_length(digits, labels):
    for index in range(20):
        assert 2 <= len(strings.number("canvas", digits, labels, 0, index, (2, 3)).text) <= 3
        first, second = strings.number("two-lines", digits, labels, 0, index, (2, 3)).text.split("\n")
        assert 2 <= min(len(first), len(second)) <= max(len(first), len(second)) <= 3


@pytest.mark.parametrize("scene", strings.WITHOUT_DIGITS)
def test_scenes_without_digits_have_no_text(digits, labels, scene):
    assert strings.number(scene, digits, labels, 0, 0, (2, 3)).text == ""


@pytest.mark.parametrize("scene", marks.SCENES)
def test_a_number_with_marks_depends_only_on_seed_scene_and_index(digits, labels, scene):
    one, again, other, elsewhere = (
        marks.number(scene, digits, labels, seed, index) for seed, index in [(0, 3), (0, 3), (1, 3), (0, 4)]
    )
    assert one == again
    assert one.picture not in (other.picture, elsewhere.picture)
    assert any(mark in one.text for mark in ".,-/: ")


@pytest.mark.parametrize("scene", marks.SCENES)
def test_numbers_with_marks_can_be_read(shuffled, line_network, scene):
    numbers = [marks.number(scene, *shuffled, 0, index) for index in range(20)]
    least = 15 if scene in ("columns", "dates") else 16
    assert sum(read_text(number.picture, line_network).text == number.text for number in numbers) >= least


def test_specks_beside_a_digit_are_removed(seven):
    specked = seven.copy()
    specked[25:27, 24:26] = 255
    np.testing.assert_array_equal(marks.without_specks(specked), seven)
