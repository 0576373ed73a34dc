from math import inf

import pytest
from rich.cells import cell_len

from app.cli.layout import MIN_COLUMNS, bar, hanging, percent, shortened


@pytest.mark.parametrize("name", ["7.png", "pictures/2026/sept/0001.png", "写真/手書き/七.png", "à" * 300])
@pytest.mark.parametrize("width", [0, 6, 10, 13, 80, inf])
def test_a_long_name_is_shortened_but_keeps_its_end(name, width):
    short = shortened(name, width)
    assert cell_len(short) <= max(width, MIN_COLUMNS)
    assert short == name or (short[0] == "…" and name.endswith(short[1:]))
    if cell_len(name) <= width:
        assert short == name


def test_no_probability_is_shown_as_100_percent():
    shares = [0, 0.04, 0.9984, 0.99949, 0.9995, 0.9999999, 1]
    assert [percent(share) for share in shares] == ["0.0%", "4.0%", "99.8%", "99.9%", ">99.9%", ">99.9%", ">99.9%"]


def test_a_bar_is_as_long_as_its_value():
    assert [bar(share, 8) for share in (0, 0.5, 0.515625, 1)] == [" " * 8, "████    ", "████▏   ", "█" * 8]


def test_long_text_wraps_with_a_hanging_indent():
    text = "MNIST's 60,000 training images, augmented"
    assert hanging(text, 10, inf) == hanging(text, 10, 80) == text
    first, *others = hanging(text, 10, 40).split("\n")
    assert len(first) <= 30
    assert all(line.startswith(" " * 10) and len(line) <= 40 for line in others)
    assert " ".join([first, *(line.strip() for line in others)]) == text
