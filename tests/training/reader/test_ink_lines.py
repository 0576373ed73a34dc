"""Lines of ink: what is drawn is what the symbols say."""

import re
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np
import pytest

from tensors import as_digits
from training.reader import ink_lines as ink_lines_module
from training.reader.ink_lines import (
    ROWS,
    SHAPES,
    WIDEST,
    any_hand,
    cells,
    ink_lines,
    rule,
)
from training.writing import patterns
from training.writing.alphabet import CHARACTERS, OTHER, class_of
from training.writing.strokes import felt
from training.writing.writer import SPACE_CLASS, Glyphs, Writer


@pytest.fixture(scope="module")
def sample(shuffled):
    return as_digits(*shuffled).take(np.arange(120))


@pytest.fixture(scope="module")
def glyphs(sample):
    return Glyphs(sample, [], felt)


def written(glyphs, pattern: str, seed: int = 0) -> Writer:
    rng = np.random.default_rng(seed)
    writer = Writer(glyphs, any_hand(len(glyphs.labels), rng), rng, SHAPES)
    writer.write(pattern)
    return writer


def characters_of(symbols: list[int]) -> str:
    return "".join((CHARACTERS + "x")[symbol - 1] for symbol in symbols)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("ddd", r"\d\d\d"),
        ("-d.d0", r"-\d\.\d0"),
        ("$d,ddd.so=", r"\$\d,\d{3}\.\d0="),
        ("dd/dd/dd", r"\d\d/\d\d/\d\d"),
        ("dd dd", r"\d\d \d\d"),
        ("Lll*dd*", r"x\d\dx"),
        ("Ll Ll ** dd", r"x\d\d"),
        ("(dd)", r"\(\d\d\)"),
        ("d'ddd.dd", r"\d'\d{3}\.\d\d"),
        ("", r""),
    ],
)
def test_a_line_says_what_its_pattern_says(glyphs, pattern, says):
    assert re.fullmatch(says, characters_of(written(glyphs, pattern).symbols))


def test_digits_have_their_labels_and_small_ones_are_smaller(glyphs):
    writer = written(glyphs, "d" * 12)
    labels = glyphs.labels[writer.hand.digits[:12]]
    assert writer.symbols == (labels + 1).tolist()
    assert set(written(glyphs, "0000o").symbols) == {1}
    normal = [len(writer.sign("d")[0]) for _ in range(20)]
    small = [len(writer.sign("s")[0]) for _ in range(20)]
    assert max(small) < min(normal)


def test_patterns_are_of_all_kinds():
    rng = np.random.default_rng(0)
    chosen = [patterns.pattern(rng) for _ in range(2_000)]
    kinds = r"d|d{6,}|d+:dd.*|d+/d+/d+|-?d.*[.,]d.*|d+( d+)+|[Ll*]+d+.*|\*|"
    kinds += r"|d+/d+|d+-d+|\(d.*\)|[.,]d+"
    for kind in kinds.split("|"):
        assert any(re.fullmatch(kind, pattern) for pattern in chosen), kind


@pytest.mark.slow
@pytest.mark.parametrize("printed", ["box", "uprights", "base", "comb"])
def test_cells_have_a_digit_each_and_their_lines(glyphs, printed, monkeypatch):
    monkeypatch.setattr(ink_lines_module, "PRINTED", {printed: 1.0})
    monkeypatch.setattr(ink_lines_module, "framed", lambda sheet, _: sheet)
    writer = written(glyphs, "", seed=2)
    sheet = cells(writer, 3)
    wide = sheet.shape[1] // 3
    assert len(writer.symbols) == 3
    assert sheet[-1].all() == (printed != "uprights")
    assert sheet[0].all() == (printed == "box")
    ends = sheet[:, [0, wide - 1, wide, 2 * wide - 1, -1]] > 0
    whole = ends.all()
    assert whole == (printed in ("box", "uprights"))
    lower = ends[-len(sheet) // 8 :]
    assert lower.all() or printed == "base"


def test_a_rule_is_printed_along_a_margin_if_there_is_room():
    rng = np.random.default_rng(0)
    margin = np.zeros((10, 40), np.float32)
    rule(margin, rng)
    assert 1 <= margin.any(axis=1).sum() <= 3
    assert (margin.any(axis=1) == margin.all(axis=1)).all()
    narrow = np.zeros((1, 40), np.float32)
    rule(narrow, rng)
    assert not narrow.any()


@pytest.mark.slow
def test_points_are_pressed_and_set_apart(glyphs):
    writer = written(glyphs, "d.d")
    usual = replace(writer.hand, pressed=1.0)
    sizes = []
    for hand in (usual, replace(usual, pressed=2.0)):
        writer = Writer(glyphs, hand, np.random.default_rng(1), SHAPES)
        sizes.append(np.mean([writer.sign(".")[0].sum() for _ in range(20)]))
    assert sizes[1] > 2 * sizes[0]


@pytest.mark.slow
def test_lines_are_strips_of_symbols(sample):
    lines = ink_lines(sample, [], 200, seed=1)
    written = {*chain(*(line.symbols for line in lines))}
    assert written >= {*map(class_of, "0123456789.,-/:$= "), OTHER}
    gaps = {OTHER, SPACE_CLASS}
    for mask, symbols in lines:
        assert mask.dtype == np.uint8
        assert len(mask) == ROWS
        assert mask.shape[1] <= WIDEST
        assert not any({*pair} <= gaps for pair in pairwise(symbols))
        assert SPACE_CLASS not in (*symbols[:1], *symbols[-1:])
