"""The terminal output for real pictures, at various widths."""

from math import inf

import pytest
from rich.cells import cell_len

from app.cli.layout import percent
from app.cli.local import Local
from app.cli.terminal import FORMATS, facts
from app.settings import Settings
from app.web.answers import Text
from support import MINUS, NUMBER, POINT, drawing, encode, letter, number

WIDTHS = [40, 80, 120]
FOLDER = "pictures/of the year 2026/from the second floor/"
NAMES = [f"{FOLDER}{index:08}.png" for index in range(3)]


@pytest.fixture(scope="module")
def local() -> Local:
    return Local(Settings(), 1)


@pytest.fixture(scope="module")
def answers(local, digits) -> dict[str, list]:
    """Answers for a clear digit, an unclear one and a letter, and for numbers in one line and in two."""
    pictures = [drawing(digits[350]), drawing(digits[350] // 2 + digits[450] // 2), letter("A")]
    amount = [MINUS, *digits[:60:20], POINT, *digits[100:140:20]]
    numbers = [number(digits[::50]), number(amount, digits[100:160:20]), letter("A")]
    return {
        "digit": [local.predict(encode(picture)) for picture in pictures],
        "text": [local.read(encode(picture)) for picture in numbers],
    }


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("what", FORMATS)
def test_no_line_is_wider_than_the_terminal(what, width, answers):
    one, several = FORMATS[what]
    table = several(NAMES, width)
    rows = [table.answer(name, answer) for name, answer in zip(NAMES, answers[what], strict=True)]
    bars = [one(width).answer(name, answer) for name, answer in zip(NAMES, answers[what], strict=True)]
    lines = "\n".join([*rows, *bars]).split("\n")
    assert max(map(cell_len, lines)) <= width
    assert max(map(cell_len, lines)) > 0.7 * min(width, 80)
    assert all(NAMES[index][-5:] in row and NAMES[index][-5:] in bars[index] for index, row in enumerate(rows))


def test_in_a_file_names_are_whole_and_columns_aligned(answers):
    table = FORMATS["digit"][1](NAMES, inf)
    heading, *rows = "\n".join(map(table.answer, NAMES, answers["digit"])).split("\n")
    place = heading.index("digit")
    assert [(row[:place].strip(), row[place]) for row in rows] == [
        (name, str(answer.digit)) for name, answer in zip(NAMES, answers["digit"], strict=True)
    ]


def test_probable_non_digits_are_marked_at_any_width(answers):
    drawn, _, printed = answers["digit"]
    assert printed.legibility < 0.5 < drawn.legibility
    for width in WIDTHS:
        for shown in (FORMATS["digit"][0](width), FORMATS["digit"][1](NAMES, width)):
            assert "probably not a digit" not in shown.answer(NAMES[0], drawn)
            assert "probably not a digit" in shown.answer(NAMES[2], printed)


@pytest.mark.parametrize("width", WIDTHS)
def test_bars_leave_room_for_marking_probable_non_digits(width, answers):
    number = answers["text"][0].model_copy(deep=True)
    number.lines[0].digits[0].legibility = 0.3
    lines = FORMATS["text"][0](width).answer("7.png", number).split("\n")
    assert [line.endswith("%  probably not a digit") for line in lines] == [False, True, *[False] * 9]
    assert max(map(cell_len, lines)) <= width


def test_marks_stand_between_the_bars_of_the_digits():
    heading, mark, digit = FORMATS["text"][0](80).answer("7.png", Text(**NUMBER)).split("\n")
    assert (heading, mark) == ("7.png: -7 (90.0%)", "  -")
    assert digit.startswith("  7 █")


def test_a_text_is_never_cut_off(answers):
    for width in WIDTHS:
        for shown in (FORMATS["text"][0](width), FORMATS["text"][1](NAMES, width)):
            for name, answer in zip(NAMES, answers["text"], strict=True):
                assert (answer.text.replace("\n", " / ") or "no digits") in shown.answer(name, answer)


def test_nothing_is_shown_as_100_percent(answers):
    sure = answers["digit"][0]
    assert sure.confidence > 0.9995
    for shown in (FORMATS["digit"][0](80), FORMATS["digit"][1](NAMES, 80)):
        assert ">99.9%" in shown.answer(NAMES[0], sure)
        assert "100.0%" not in shown.answer(NAMES[0], sure)


def test_the_answer_has_the_longest_bar(answers):
    for answer in answers["digit"]:
        bars = FORMATS["digit"][0](60).answer("7.png", answer).split("\n")[1:]
        assert max(bars, key=lambda row: row.count("█")).split()[0] == str(answer.digit)
        assert all(row.endswith(percent(share)) for row, share in zip(bars, answer.probabilities, strict=True))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_metadata_of_a_model_fits_the_width(width, local):
    lines = facts(local.about(), width).split("\n")
    assert max(map(cell_len, lines)) <= width
    digits, lines = (group.split("\n") for group in facts(local.about(), inf).split("\n\n"))
    assert len(digits) == len(local.classifier.metadata) + 2
    assert len(lines) == len(local.lines.metadata) + 2


def test_a_service_need_not_name_its_models():
    assert facts({"status": "ok", "models": {}}, inf).split() == ["status", "ok"]


def test_a_service_cannot_control_the_terminal():
    title = "\x1b]0;title\x1b\\"
    one, several = FORMATS["text"]
    answer = Text(text=title, confidence=0.9, lines=[], model="121f4111e3d5")
    shown = [one(inf).answer("7.png", answer), several(["7.png"], inf).answer("7.png", answer)]
    shown += [facts({"models": {"digits": {"version": title, title: title}}}, inf)]
    assert all("title" in text and "\x1b" not in text for text in shown)
