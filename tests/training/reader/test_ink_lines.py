"""Lines of ink: what is drawn is what the symbols say."""

import re
from itertools import chain, pairwise

import numpy as np
import pytest

from tensors import as_digits
from training.reader.ink_lines import ROWS, WIDEST, ink_lines
from training.writing import patterns
from training.writing.alphabet import CHARACTERS, OTHER, class_of
from training.writing.strokes import felt
from training.writing.writer import SPACE_CLASS, Glyphs, Writer, random_hand


@pytest.fixture(scope="module")
def sample(shuffled):
    return as_digits(*shuffled).take(np.arange(120))


@pytest.fixture(scope="module")
def glyphs(sample):
    return Glyphs(sample, [], felt)


def written(glyphs, pattern: str, seed: int = 0) -> Writer:
    rng = np.random.default_rng(seed)
    writer = Writer(glyphs, random_hand(len(glyphs.labels), rng), rng)
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
    chosen = [patterns.pattern(rng) for _ in range(500)]
    kinds = r"d|d{6,}|d+:dd.*|d+/d+/d+|-?d.*[.,]d.*|d+( d+)+|[Ll*]+d+.*|\*|"
    for kind in kinds.split("|"):
        assert any(re.fullmatch(kind, pattern) for pattern in chosen), kind


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
