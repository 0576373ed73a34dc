"""What the network says of each column → a text: spelling, confidence, boxes, and the choice between proposals."""

from itertools import chain

import numpy as np
import pytest

from app.inference.ctc import best_path, spans_of
from app.inference.lines import CHARACTERS, CLASSES, OTHER
from app.inference.text import Text, text_of
from app.inference.transcript import Transcript
from app.preprocess.errors import TooMuchWriting
from app.preprocess.strips import Strip

WIDE = 8  # columns for each symbol in these outputs
AT = np.array([[2.0, 0, 100], [0, 2, 50]])  # a strip at half a picture's resolution, which begins at (100, 50)


def output_of(written: str, certainty: float = 0.99) -> np.ndarray:
    """Make an output that says this, each symbol in the two columns in the middle of its WIDE ones; x is other ink."""
    output = np.full((WIDE * len(written) or WIDE, CLASSES), (1 - certainty) / (CLASSES - 1), np.float32)
    read = np.zeros(len(output), int)
    for place, character in enumerate(written):
        read[WIDE * place + 3 : WIDE * place + 5] = OTHER if character == "x" else CHARACTERS.index(character) + 1
    output[np.arange(len(read)), read] = certainty
    return output


def strip_of(written: str) -> Strip:
    """Make a strip with a bar for each symbol, 6 pixels wide."""
    pixels = np.full((32, 2 * WIDE * len(written) or 2 * WIDE), 250, np.uint8)
    for place in range(len(written)):
        pixels[6:20, 2 * WIDE * place + 5 : 2 * WIDE * place + 11] = 20
    return Strip(pixels, AT, (2000, 200))


def transcript(written: str, certainty: float = 0.99) -> Transcript:
    output = output_of(written, certainty)
    return Transcript(strip_of(written), output, spans_of(best_path(output)))


class Network(dict[bytes, np.ndarray]):
    """Answers from a table."""

    threshold = 0.5

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        return self[pixels.tobytes()]


def read(*proposals: tuple[str, ...], certainty: float = 0.99, length: int | None = None) -> Text:
    """Read proposals, each the lines that the network would read in it."""
    outputs: dict[bytes, np.ndarray] = {}
    strips = [tuple(map(strip_of, lines)) for lines in proposals]
    for number, (strip, written) in enumerate(zip(chain(*strips), chain(*proposals), strict=True)):
        strip.pixels[0, 0] -= number  # so that all differ
        outputs[strip.pixels.tobytes()] = output_of(written, certainty)
    return text_of(strips, Network(outputs), length)


@pytest.mark.parametrize(
    "written", ["12.50", "-35", "24/11/26", "12:30", "1  2", " 1 ", "", "1x2", "x1 xx x2x", "1x.5", "x"]
)
def test_a_text_is_as_written_with_single_spaces_also_for_something_else(written):
    line = transcript(written)
    text = line.text([box for box, _ in line.places()]) if line.spans else ""
    assert text == " ".join(written.replace("x", " ").split())


def test_the_confidence_is_the_probability_of_the_text():
    columns = np.zeros((2, CLASSES), np.float32)
    columns[0, 0], columns[0, 4] = 0.3, 0.7  # a 3, in one of two columns
    columns[1, 0], columns[1, 4] = 0.9, 0.1
    line = Transcript(strip_of("3"), columns, [(4, 0, 0)])
    assert line.confidence == pytest.approx(0.7 * 0.9 + 0.7 * 0.1 + 0.3 * 0.1)


def test_something_else_lowers_the_confidence_by_its_share_of_the_writing():
    assert transcript("12", 0.999).confidence == pytest.approx(1, abs=0.03)
    assert transcript("1x2x", 0.999).confidence == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("written", "columns"), [("", 8), ("x", 8), (" x ", 24)])
def test_an_empty_text_is_as_probable_as_that_there_is_no_digit_and_no_mark(written, columns):
    assert transcript(written).confidence == pytest.approx((0.99 + 2 * 0.01 / 17) ** columns)
    assert read(("7",), certainty=0.4).confidence < 0.6


def test_touching_digits_share_no_column():
    touching = transcript("111")
    touching.strip.pixels[12:14] = 20  # a stroke through all of them
    first, second, third = (box for box, _ in touching.places())
    assert first.right <= second.left < second.right <= third.left


def test_without_ink_a_digit_has_all_rows_and_an_empty_frame():
    blank = Strip(np.full((32, 16), 128, np.uint8), AT, (2000, 200))
    ((line,), *_) = text_of([(blank,)], Network({blank.pixels.tobytes(): output_of("7")}))
    (digit,) = line.digits
    assert (digit.box.top, digit.box.bottom) == (50, 114)
    assert not digit.frame.any()


@pytest.mark.parametrize(
    ("proposals", "options", "text"),
    [
        ([("1",), ("12", "34"), ("56",)], {}, "12\n34"),
        ([("",), ("7",)], {}, "7"),
        ([("12", "x", "", "3")], {}, "12\n3"),
        ([("7",)], {"certainty": 0.97}, "7"),
        ([("7",)], {"certainty": 0.4}, ""),
        ([], {}, ""),
        ([("12.5",), ("12", "34")], {"length": 3}, "12.5"),
        ([("12.5",), ("12", "34")], {"length": 4}, "12\n34"),
        ([("12",)], {"length": 5}, ""),
        ([("1" * 64,)], {}, "1" * 64),
        ([("1" * 65,), ("12",)], {}, "12"),
    ],
)
def test_the_proposal_for_which_most_speaks_is_read(proposals, options, text):
    found = read(*proposals, **options)
    assert found.text == text
    assert len(found.lines) == len(text.split())
    assert 0 <= found.confidence <= 1


def test_a_line_of_too_many_digits_is_refused():
    with pytest.raises(TooMuchWriting):
        read(("1" * 65,))


def test_digits_alone_have_no_marks_no_spaces_and_no_lines_of_marks():
    assert read(("-1 2.5", "-", "7")).digits_only().text == "125\n7"
