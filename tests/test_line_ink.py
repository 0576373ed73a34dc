"""Lines of ink: what is drawn is what the symbols say."""

import re
from itertools import pairwise

import numpy as np
import pytest

from app.inference.lines import CHARACTERS, OTHER
from app.preprocess.strips import STRIP_HEIGHT
from tensors import as_digits
from training import line_text
from training.line_ink import ink_lines, strip
from training.line_writer import HEIGHT, SPACE, Glyphs, Writer
from training.writing import mark


@pytest.fixture(scope="module")
def sample(shuffled):
    return as_digits(*shuffled).take(np.arange(120))


@pytest.fixture(scope="module")
def glyphs(sample):
    return Glyphs(sample, [], np.random.default_rng(0))


def written(glyphs, pattern: str, seed: int = 0) -> Writer:
    writer = Writer(glyphs, np.random.default_rng(seed))
    writer.write(pattern)
    return writer


def text_of(symbols: list[int]) -> str:
    return "".join((CHARACTERS + "x")[symbol - 1] for symbol in symbols)


def drawn(kind: str, rng: np.random.Generator, slant: float = 0.0) -> tuple[np.ndarray, float, float]:
    """A mark, and its first and last row with ink, in digit heights from the digit's top."""
    mask, raised = mark(kind, HEIGHT, 0.1, slant, rng)
    inked = np.flatnonzero((mask > 0.5).any(axis=1)) / HEIGHT - raised
    return mask, inked[0], inked[-1]


@pytest.mark.parametrize(
    ("kind", "highest", "lowest"),
    [(".", 0.75, 1.15), (",", 0.75, 1.45), ("-", 0.15, 0.85), (":", 0.1, 1.15), ("/", -0.3, 1.3), ("1", -0.3, 1.3)],
)
def test_marks_lie_where_people_write_them(kind, highest, lowest):
    rng = np.random.default_rng(0)
    for _ in range(50):
        _, first, last = drawn(kind, rng, slant=0.3)
        assert highest < first <= last < lowest


def test_a_colon_is_two_dots_and_a_slash_spans_the_line_and_leans_more_than_a_1():
    rng = np.random.default_rng(0)
    (colon, _, _), (slash, first, last), (one, _, _) = (drawn(kind, rng, slant=0.4) for kind in ":/1")
    has_ink = np.pad((colon > 0.5).any(axis=1).astype(int), 1)
    assert np.count_nonzero(np.diff(has_ink) == 1) == 2
    assert last - first > 0.85
    assert one.shape[1] < slash.shape[1] - 0.2 * HEIGHT


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("ddd", r"\d\d\d"),
        ("-d.d0", r"-\d\.\d0"),
        ("$d,ddd.so=", r"x\d,\d{3}\.\d0x"),
        ("dd/dd/dd", r"\d\d/\d\d/\d\d"),
        ("dd dd", r"\d\d \d\d"),
        ("Lll*dd*", r"x\d\dx"),
        ("Ll Ll ** dd", r"x\d\d"),
        ("", r""),
    ],
)
def test_a_line_says_what_its_pattern_says(glyphs, pattern, says):
    assert re.fullmatch(says, text_of(written(glyphs, pattern).symbols))


def test_digits_have_their_labels(glyphs):
    writer = written(glyphs, "d" * 12)
    assert [symbol - 1 for symbol in writer.symbols] == glyphs.labels[writer.digits[-12:]].tolist()
    assert set(written(glyphs, "0000o").symbols) == {1}
    assert any((np.diff(Writer(glyphs, np.random.default_rng(seed)).digits) < 0).any() for seed in range(5))


def test_a_space_is_at_least_as_wide_as_a_digit_is_high(glyphs):
    for seed in range(20):
        writer = written(glyphs, "dd d ddd", seed)
        gaps = np.diff(np.flatnonzero((writer.row.cropped() > 0.5).any(axis=0)))
        assert (gaps > 0.6 * HEIGHT).sum() == writer.symbols.count(SPACE) == 2


def test_small_digits_are_smaller(glyphs):
    writer = Writer(glyphs, np.random.default_rng(0))
    normal, small = ([len(writer.sign(kind)[0]) for _ in range(20)] for kind in ("d", "s"))
    assert max(small) < min(normal)


def test_patterns_are_of_all_kinds():
    rng = np.random.default_rng(0)
    patterns = [line_text.pattern(rng) for _ in range(500)]
    for kind in (r"d", r"d{6,}", r"d+:dd.*", r"d+/d+/d+", r"-?d.*[.,]d.*", r"d+( d+)+", r"[Ll*]+d+.*", r"\*", r""):
        assert any(re.fullmatch(kind, pattern) for pattern in patterns), kind
    digits = [sum(sign in line_text.DIGITS for sign in pattern) for pattern in patterns]
    assert max(digits) == 16


def test_lines_are_strips_of_symbols(sample):
    lines = ink_lines(sample, [], 200, seed=1)
    assert {symbol for line in lines for symbol in line.symbols} >= {*range(1, 11), OTHER}
    for mask, symbols in lines:
        assert mask.dtype == np.uint8
        assert len(mask) == STRIP_HEIGHT
        assert mask.shape[1] % 2 == 0
        assert all(0 < symbol <= OTHER for symbol in symbols)
        pairs = [*pairwise(symbols)]
        assert not {(OTHER, OTHER), (SPACE, SPACE), (OTHER, SPACE), (SPACE, OTHER)} & {*pairs}
        assert SPACE not in (*symbols[:1], *symbols[-1:])

    again, other = (ink_lines(sample, [], 5, seed) for seed in (1, 2))
    assert all((a.mask == b.mask).all() and a.symbols == b.symbols for a, b in zip(lines, again, strict=False))
    assert [line.symbols for line in again] != [line.symbols for line in other]


def test_a_strip_too_narrow_for_its_text_is_refused():
    sheet = np.ones((40, 60), np.float32)
    assert strip(sheet, [1] * 3) is not None
    assert strip(sheet, [1] * 30) is None
