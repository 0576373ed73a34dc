"""One picture → its text, in this process, as the service reads it."""

from difflib import SequenceMatcher

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from app.text.limits import TooMuchWriting
from app.text.reading import AS_WRITTEN, TURNS, TextOptions, read_text
from app.text.transcription import Transcription
from networks import line_network, page_network
from pictures import MINUS, POINT, drawing, encode, inked, load_sheet, number

# Of the faintest ink, so that `number` draws all of its columns.
pytestmark = pytest.mark.slow

GAP = np.ones((28, 30), np.uint8)
SIGNS = {"-": MINUS, ".": POINT, " ": GAP, "1": inked((28, 3), (4, 24, 0, 3))}
DIGITS, LABELS = load_sheet()


def write(form: str, seed: int) -> tuple[Image.Image, str]:
    """Write a text like "-dd.d", with random digits; return the picture and it."""
    rng = np.random.default_rng(seed)
    chosen = iter(rng.integers(0, len(DIGITS), form.count("d")).tolist())
    lines = []
    text = ""
    for line in form.split("\n"):
        drawn = []
        for sign in line:
            if sign == "d":
                place = next(chosen)
                drawn.append(DIGITS[place])
                text += str(LABELS[place])
            else:
                drawn.append(SIGNS[sign])
                text += sign
        lines.append(drawn)
        text += "\n"
    return number(*lines), text.strip()


def read(
    picture: Image.Image | np.ndarray, options: TextOptions = AS_WRITTEN
) -> Transcription:
    return read_text(encode(picture), line_network(), page_network(), options)


def plain(sheet: Image.Image) -> Image.Image:
    return sheet


def small_on_a_canvas(sheet: Image.Image) -> Image.Image:
    canvas = Image.new("L", (1200, 900), 255)
    size = sheet.width // 3, sheet.height // 3
    canvas.paste(sheet.resize(size, Image.Resampling.BOX), (500, 400))
    return canvas


def on_a_desk(sheet: Image.Image) -> Image.Image:
    """Lay a sheet on a darker desk, in uneven light."""
    desk = Image.new("L", (sheet.width + 200, sheet.height + 160), 110)
    desk.paste(sheet.point(lambda level: 40 + 3 * level // 4), (100, 80))
    light = np.linspace(0.7, 1.1, desk.width)
    noise = np.random.default_rng(0).normal(0, 2, (desk.height, desk.width))
    levels = np.asarray(desk) * light + noise
    return Image.fromarray(np.uint8(levels.clip(0, 255)))


def in_a_printed_box(sheet: Image.Image) -> Image.Image:
    ruled = ImageOps.expand(sheet, 50, 255)
    box = 20, 20, ruled.width - 21, ruled.height - 21
    ImageDraw.Draw(ruled).rectangle(box, outline=60, width=3)
    return ruled


def on_ruled_paper(sheet: Image.Image) -> Image.Image:
    for y in (20, 125):
        ImageDraw.Draw(sheet).line((0, y, sheet.width, y), fill=120, width=2)
    return sheet


def turned(sheet: Image.Image) -> Image.Image:
    return sheet.rotate(8, Image.Resampling.BICUBIC, expand=True, fillcolor=255)


@pytest.mark.parametrize(
    ("form", "change", "least"),
    [
        ("dddd", plain, 21),
        ("dddd", ImageOps.invert, 21),
        ("dddd", small_on_a_canvas, 20),
        ("-dd.d", on_a_desk, 20),
        ("-dd.d", in_a_printed_box, 20),
        ("dddd", on_ruled_paper, 20),
        ("dddd", turned, 20),
        ("ddd\nddd", plain, 16),
        ("-dd.d", plain, 20),
        ("dd dd", plain, 19),
        ("1d", plain, 20),
    ],
)
def test_so_many_of_25_numbers_are_read(form, change, least):
    right = 0
    for seed in range(25):
        sheet, text = write(form, seed)
        right += read(change(sheet)).text == text
    assert right >= least


def test_a_row_at_the_foot_of_a_page_of_which_nothing_is_read_makes_the_text_unsure():
    missed = []
    for seed in range(25):
        sheet, text = write("ddd\nddd", seed)
        page = Image.new("L", (sheet.width, 4 * sheet.width), 255)
        # The edge cuts the second row.
        page.paste(sheet, (0, page.height - round(0.76 * sheet.height)))
        found = read(page)
        if found.text == text.split("\n")[0]:
            missed.append(found.confidence)
    assert len(missed) >= 5
    assert max(missed) < 0.9


def beside_a_table(
    pair: list[int], top: int, table_top: int
) -> tuple[Image.Image, set]:
    """Write two digits, a third of the page high, and 24 small numbers.

    Returns the page, and the small numbers.
    """
    rng = np.random.default_rng(0)
    page = Image.new("L", (1000, 900), 255)
    page.paste(number(DIGITS[pair], scale=15), (100, top))
    texts = set()
    for row in range(6):
        for column in range(4):
            chosen = rng.integers(0, len(DIGITS), 3)
            place = 40 + 240 * column, table_top + 75 * row
            page.paste(number(DIGITS[chosen], scale=1), place)
            texts.add("".join(map(str, LABELS[chosen])))
    return page, texts


@pytest.mark.parametrize(
    ("pair", "top", "table_top", "change"),
    [([250, 200], -130, 440, on_a_desk), ([300, 450], 340, 10, ImageOps.invert)],
)
def test_large_digits_above_or_below_a_table_do_not_hide_it(
    pair, top, table_top, change
):
    page, texts = beside_a_table(pair, top, table_top)
    assert len(texts & {*read(change(page)).text.split()}) >= 20


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_page_is_turned_upright_but_a_single_digit_is_not(turn):
    """It does not show which way is up: a 6 would become a 9."""
    any_way = TextOptions(turns=TURNS["auto"])
    page, texts = beside_a_table([250, 200], -130, 440)
    found = read(page.rotate(-turn, expand=True), any_way)
    assert found.turn == turn
    assert len(texts & {*found.text.split()}) >= 20
    for digit in DIGITS[300:500:10]:  # 6 to 9
        assert read(drawing(digit).rotate(turn, expand=True), any_way).turn == 0


@pytest.mark.parametrize("high", [0.006, 0.01])
def test_a_page_is_refused_on_which_a_digit_is_too_small_to_be_read(high, digits):
    """It is at the edge of the page, and of the part that is looked at closely."""
    side = round(3000 * high * 28 / 20)
    digit = ImageOps.invert(Image.fromarray(digits[350])).resize((side, side))
    page = Image.new("L", (2250, 3000), 255)
    page.paste(digit, (1700, 2300))
    with pytest.raises(TooMuchWriting):
        read(page)


def test_30_digits_in_a_row_are_read():
    """The network learned from up to 16; 95 % of the digits have to be right."""
    wrong = 0
    for seed in range(5):
        sheet, text = write(30 * "d", seed)
        found = read(sheet).digits_only().text
        same = SequenceMatcher(None, found, text, autojunk=False).get_matching_blocks()
        wrong += max(len(found), len(text)) - sum(block.size for block in same)
    assert wrong <= 7


def test_the_frames_of_digits_are_read_by_the_dense_network(digits, labels, classifier):
    chosen = [350, 120, 0, 60, 430]
    (line,) = read(number(digits[chosen])).lines
    frames = np.stack([digit.frame for digit in line.digits])
    found = classifier(frames).probabilities.argmax(axis=1)
    np.testing.assert_array_equal(found, labels[chosen])
