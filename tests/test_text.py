"""What the network says of columns → a text: spelling, confidence, boxes, choice."""

from dataclasses import replace

import numpy as np
import pytest

from app.text.ctc import Span
from app.text.emissions import Emissions
from app.text.field import Field
from app.text.hypothesis import Hypothesis, is_sure
from app.text.line_reader import LineReader
from app.text.line_spec import LineSpec
from app.text.strips import Strip
from app.text.transcript import Transcript
from app.text.transcription import Transcription, transcription_of

SPEC = LineSpec(
    height=32,
    stride=2,
    padding=8,
    delay=0.3,
    least_contrast=10.0,
    characters="0123456789.,-/: +",
    marks=".,-/:",
    space=" ",
    threshold=0.5,
    other_weight=1.0,
    confidence_scale=1.0,
    confidence_offset=0.0,
)
WIDE = 8  # columns for each symbol in these outputs
# A strip at half a picture's resolution, which begins at (100, 50).
AT = np.array([[2.0, 0, 100], [0, 2, 50]])


def output_of(written: str, certainty: float = 0.99) -> np.ndarray:
    """Make an output that says this; x is other ink.

    Each symbol is in the two columns in the middle of its WIDE ones.
    """
    read = np.zeros(WIDE * max(1, len(written)), int)  # the class of each column
    for place, character in enumerate(written):
        symbol = SPEC.other if character == "x" else SPEC.class_of(character)
        read[WIDE * place + 3 : WIDE * place + 5] = symbol
    output = np.full((len(read), SPEC.classes), (1 - certainty) / (SPEC.classes - 1))
    output[range(len(read)), read] = certainty
    return output.astype(np.float32)


def strip_of(written: str) -> Strip:
    """Make a strip with a bar for each symbol, 6 pixels wide, and nothing for a gap."""
    pixels = np.full((SPEC.height, 2 * WIDE * max(1, len(written))), 250, np.uint8)
    for place, character in enumerate(written):
        if character != " ":
            pixels[6:20, 2 * WIDE * place + 5 : 2 * WIDE * place + 11] = 20
    return Strip(pixels, AT, (2000, 200))


def transcript_of(strip: Strip, output: np.ndarray) -> Transcript:
    return Transcript.likeliest(Emissions(strip, output, SPEC), is_of_page=False)


def transcript(written: str, certainty: float = 0.99) -> Transcript:
    return transcript_of(strip_of(written), output_of(written, certainty))


class Network(dict[bytes, np.ndarray]):
    """Answers from a table."""

    spec = SPEC

    def __call__(self, strips: list[np.ndarray]) -> list[np.ndarray]:
        return [self[pixels.tobytes()] for pixels in strips]


Ways = list[tuple[Strip, ...]]  # to see a picture, each as lines from top to bottom


def network_of(
    *ways: tuple[str, ...], certainty: float = 0.985
) -> tuple[Network, Ways]:
    """Make ways to see a picture, and a network that reads this in their lines."""
    network = Network()
    strips = []
    for lines in ways:
        strips.append(tuple(map(strip_of, lines)))
        for strip, written in zip(strips[-1], lines, strict=True):
            strip.pixels[0, 0] -= len(network)  # so that all differ
            network[strip.pixels.tobytes()] = output_of(written, certainty)
    return network, strips


def hypotheses_of(
    network: Network, ways: Ways, length: int | None = None
) -> list[Hypothesis]:
    """Read each way to see a picture."""
    reader = LineReader(network, Field(length))
    found = []
    for strips in ways:
        read = Hypothesis(tuple((each,) for each in reader.read(strips)))
        found.append(read if length is None else read.of_length)
    return found


def text_in(network: Network, ways: Ways, alternatives: int = 0) -> Transcription:
    return transcription_of(hypotheses_of(network, ways), network.spec, alternatives)


def read(
    *ways: tuple[str, ...], certainty: float = 0.985, length: int | None = None
) -> Transcription:
    """Read a picture in ways that give these lines; the network is sure of none."""
    network, strips = network_of(*ways, certainty=certainty)
    return transcription_of(hypotheses_of(network, strips, length), SPEC)


@pytest.mark.parametrize(("weight", "text"), [(1.0, "7"), (0.002, "17")])
def test_a_stroke_is_read_if_something_else_weighs_little(weight, text):
    strip = strip_of("17")
    output = output_of("17", 0.985)
    one = output[:, SPEC.class_of("1")] > 0.5  # more likely an l or a slash
    output[one] *= 0.02
    output[one, SPEC.other] += 0.98
    network = Network({strip.pixels.tobytes(): output})
    network.spec = replace(SPEC, other_weight=weight)
    (read,) = LineReader(network).read([strip])
    assert read.text == text


WRITTEN = "12.50|-35|24/11/26|12:30|1 2|1  2| 1 ||1x2|x1 xx x2x|1x.5|x"


@pytest.mark.parametrize("written", WRITTEN.split("|"))
def test_a_text_is_as_written_with_single_spaces_also_for_something_else(written):
    assert transcript(written).text == " ".join(written.replace("x", " ").split())


# Pixels; 0.9 of a digit's height are 12.6.
@pytest.mark.parametrize(("gap", "text"), [(12, "12"), (13, "1 2")])
@pytest.mark.parametrize("middle", [" ", ""])
def test_only_the_width_of_a_gap_makes_a_space_not_what_the_network_says_of_it(
    middle, gap, text
):
    """The network sees gaps between digits in the cells of a form, too."""
    pixels = np.full((SPEC.height, 48), 250, np.uint8)
    pixels[6:20, 2:46] = 20
    pixels[:, 34 - gap : 34] = 250
    output = np.concatenate([output_of(part) for part in ("1", middle, "2")])
    assert transcript_of(Strip(pixels, AT, (2000, 200)), output).text == text


def test_the_confidence_is_the_probability_of_the_text():
    columns = np.zeros((2, SPEC.classes), np.float32)
    columns[:, [0, 4]] = [[0.3, 0.7], [0.9, 0.1]]  # a 3, in one of two columns
    emissions = Emissions(strip_of("3"), columns, SPEC)
    line = Transcript(emissions, [Span(4, 0, 0)])
    assert line.confidence == pytest.approx(0.7 * 0.9 + 0.7 * 0.1 + 0.3 * 0.1)


@pytest.mark.parametrize(
    ("written", "text"),
    [("xx.", ""), (".x", ""), ("x -", ""), ("-", "-"), ("xx.5", ".5")],
)
def test_marks_of_words_are_no_text(written, text):
    alone = read((written,))
    assert alone.text == text
    assert alone.confidence > 0.5
    assert read(("72", written)).text == "\n".join(["72", text]).strip()


def test_touching_digits_share_no_column():
    touching = transcript("111")
    touching.emissions.strip.pixels[12:14] = 20  # a stroke through all of them
    first, second, third = (place.box for place in touching.places.values())
    assert first.right <= second.left < second.right <= third.left


@pytest.mark.parametrize("late", [-4, 0, 4, 5])  # pixels; the digits are 6 wide
def test_a_digit_has_its_own_ink_also_if_its_column_lies_beside_it(late):
    line = transcript("1 23")
    pixels = line.emissions.strip.pixels
    pixels[:] = np.roll(pixels, -late, axis=1)
    boxes = [line.places[span].box for span in line.sign_spans]
    lefts = [box.left + late for box in boxes]
    rights = [box.right + late for box in boxes]
    assert (lefts, rights) == ([5, 37, 53], [11, 43, 59])


@pytest.mark.parametrize("column", [7, 8, 12, 15])
def test_a_symbol_in_the_padding_of_a_strip_has_a_place_in_it(column):
    """The network may find the last symbol to the right of what was cut out."""
    strip = strip_of("7")
    output = np.concatenate([output_of(""), output_of("")])  # the strip has half of it
    output[column] = output_of("7")[3]
    ((line,), *_) = text_in(Network({strip.pixels.tobytes(): output}), [(strip,)])
    (digit,) = line.digits
    assert line.text == "7"
    assert digit.box == strip.box(6, 20, 5, 11)
    assert digit.frame.any()


def ways_of(text: str) -> list[tuple[str, ...]]:
    """Take apart ways, separated by commas, each with its lines; . is an empty one."""
    ways = [way.split() for way in text.split(",") if way]
    return [tuple("" if line == "." else line for line in way) for way in ways]


@pytest.mark.parametrize(
    ("ways", "certainty", "length", "text"),
    [
        ("1,12 34,56", 0.985, None, "12 34"),
        (".,7", 0.985, None, "7"),
        ("12 x . 3", 0.985, None, "12 3"),
        ("7", 0.97, None, "7"),
        ("7", 0.4, None, ""),
        ("", 0.985, None, ""),
        ("12.5,12 34", 0.985, 3, "12.5"),
        ("1234 12.5 56 x .", 0.985, 3, "12.5"),
        ("1234 12.5 56 789", 0.985, 3, "12.5 789"),
        ("12.5", 0.6, 3, "12.5"),
        ("12", 0.985, 5, ""),
    ],
)
def test_the_way_for_which_most_speaks_is_read(ways, certainty, length, text):
    found = read(*ways_of(ways), certainty=certainty, length=length)
    assert found.text == text.replace(" ", "\n")
    assert len(found.lines) == len(text.split())
    assert 0 <= found.confidence <= 1


@pytest.mark.parametrize(
    ("ways", "certainty", "sure"),
    [
        ("12", 0.9999, True),
        ("1.2", 0.9999, True),
        ("12 34", 0.9999, True),
        ("12", 0.985, False),
        ("12,12", 0.985, True),
        ("12,13", 0.9999, False),
        (".", 0.9999, False),
        ("xx.", 0.9999, False),
        ("", 0.9999, False),
    ],
)
def test_reading_stops_once_the_network_is_sure_of_a_text_or_two_ways_agree(
    ways, certainty, sure
):
    network, strips = network_of(*ways_of(ways), certainty=certainty)
    assert is_sure(hypotheses_of(network, strips)) == sure


def test_other_readings_lower_the_confidence():
    alone = read(("12",))
    (line,) = alone.lines
    assert alone.confidence == pytest.approx(line.confidence)
    for others, share in (
        ([("12",)], 1),
        ([("1 2",)], 1),
        ([("",)], 1),
        ([("13",)], 1 / 2),
        ([("13",), ("14",)], 1 / 3),
    ):
        found = read(("12",), *others)
        expected = pytest.approx(share * alone.confidence, rel=0.02)
        assert found.text == "12"
        assert found.confidence == found.lines[0].confidence == expected


def test_confidences_are_calibrated_and_alternatives_share_what_is_left():
    network, strips = network_of(("12",), certainty=0.97)
    plain = text_in(network, strips, alternatives=3)
    network.spec = replace(SPEC, confidence_scale=0.5, confidence_offset=1.0)
    found = text_in(network, strips, alternatives=3)
    assert found.confidence == pytest.approx(network.spec.calibrated(plain.confidence))
    (before,) = plain.lines
    (line,) = found.lines
    assert line.confidence == pytest.approx(network.spec.calibrated(before.confidence))
    network, strips = network_of(("",), certainty=0.97)
    plain = text_in(network, strips)
    network.spec = replace(SPEC, confidence_scale=0.5, confidence_offset=1.0)
    assert text_in(network, strips).confidence == plain.confidence < 0.97
    texts, shares = zip(*line.alternatives, strict=True)
    texts_before, shares_before = zip(*before.alternatives, strict=True)
    assert texts == texts_before
    left = (1 - line.confidence) / (1 - before.confidence)
    assert shares == pytest.approx(left * np.array(shares_before))


def test_an_empty_page_is_as_sure_as_its_least_certain_line():
    network, strips = network_of(("",), ("x",) * 4)
    assert text_in(network, strips).confidence > 0.7
    network[strips[1][2].pixels.tobytes()] = output_of("x", 0.4)
    assert text_in(network, strips).confidence < 0.3


def test_a_line_where_digits_may_be_missed_lowers_the_confidence_and_words_do_not():
    network, strips = network_of(("12", "xx"), certainty=0.9999)
    assert text_in(network, strips).confidence > 0.99
    network[strips[0][1].pixels.tobytes()] = output_of("xx", 0.4)
    found = text_in(network, strips)
    assert found.text == "12"
    assert found.confidence < 0.5
    assert found.lines[0].confidence > 0.99


def test_digits_alone_have_no_marks_no_spaces_and_no_lines_of_marks():
    assert read(("-1 2.5", "-", "7")).digits_only().text == "125\n7"
