"""What is written in a line to train on, as a pattern.

A pattern has marks, parentheses, apostrophes and spaces as they are, `d` for a digit,
`0` for a zero, `s` and `o` for small ones, `1` for a 1 of one stroke, `L` and `l` for
letters, `$` and `=` as they are, and `*` for any other thing.
"""

from collections.abc import Callable

from numpy.random import Generator

DIGIT_KINDS = "d0so"
ZERO_KINDS = "0o"
SMALL_KINDS = "so"
LETTER_KINDS = "Ll"
SIGN_KINDS = "$="
POINTS_AND_GROUPS = ((".", ","), (",", "."), (".", "'"))
OTHER_KINDS = f"{LETTER_KINDS}{SIGN_KINDS}*"


def number(rng: Generator, count: int) -> str:
    """Write a number; a quarter end in zeros, which may be small, and some are in
    parentheses.
    """
    zeros = rng.integers(1, count + 1) if rng.random() < 0.25 else 0
    zero = "o" if rng.random() < 0.15 else "0"
    written = "d" * max(1, count - zeros) + zero * min(zeros, count - 1)
    return f"({written})" if count > 1 and rng.random() < 0.04 else written


def amount(rng: Generator, count: int) -> str:
    """Write an amount: perhaps with a sign, groups of three, decimals or a flourish.

    An eighth of those with decimals have nothing before the point.
    """
    point, group = POINTS_AND_GROUPS[rng.choice(3, p=[0.5, 0.4, 0.1])]
    decimals = rng.choice([0, 2, 2, 1, 3]) if count > 1 else 0
    digit, zero = "so" if rng.random() < 0.15 else "d0"
    before = rng.choice(["", "-", "$", "="], p=[0.56, 0.2, 0.16, 0.08])
    after = rng.choice(["", ".", ".-", "-", "="], p=[0.6, 0.06, 0.06, 0.13, 0.15])
    whole = ["d"]
    for _ in range(count - decimals - 1):
        whole.append("d" if rng.random() < 0.75 else "0")
    if decimals and rng.random() < 0.125:
        whole = []
    if rng.random() < 0.6:
        for place in range(len(whole) - 3, 0, -3):
            whole.insert(place, group)
    if decimals:
        whole.append(point)
    for _ in range(decimals):
        whole.append(zero if rng.random() < 0.4 else digit)
    return f"{before}{''.join(whole)}{after}"


def date(rng: Generator, _: int) -> str:
    """Write a date, or a time of day."""
    if rng.random() < 0.4:
        hour = "d" * rng.integers(1, 3)
        return hour + ":dd" * rng.integers(1, 3)
    day = "d" * rng.integers(1, 3)
    month = "d" * rng.integers(1, 3)
    year = "d" * rng.choice([2, 4])
    separator = "///.-"[rng.integers(5)]
    parts = [year, month, day] if rng.random() < 0.2 else [day, month, year]
    return separator.join(parts)


def pair(rng: Generator, _: int) -> str:
    """Write a fraction, a day and a month, or a range."""
    first = "d" * rng.integers(1, 5)
    second = "d" * rng.integers(1, 5)
    return first + "///-"[rng.integers(4)] + second


def groups(rng: Generator, count: int) -> str:
    """Write up to three numbers with spaces between them."""
    lengths = rng.multinomial(count, [1 / 3] * 3)
    return " ".join("d" * length for length in lengths if length)


def word(rng: Generator) -> str:
    """Write a word, or one to three other things."""
    if rng.random() < 0.5:
        return "L" + "l" * rng.integers(2, 7)
    return "*" * rng.integers(1, 4)


def words(rng: Generator, count: int) -> str:
    """Write so many words."""
    return " ".join(word(rng) for _ in range(count))


def among_words(rng: Generator, count: int) -> str:
    """Write a number among words or other things."""
    before = word(rng) if rng.random() < 0.6 else ""
    after = word(rng) if rng.random() < 0.6 else ""
    if not before and not after:
        after = word(rng)
    return before + "d" * count + after


# What is written, its share of the lines, and the fewest and most digits (or words).
KINDS: tuple[tuple[Callable[[Generator, int], str], float, int, int], ...] = (
    (number, 0.18, 2, 8),
    (number, 0.14, 1, 1),
    (number, 0.06, 6, 16),
    (amount, 0.19, 1, 9),
    (date, 0.13, 6, 8),
    (pair, 0.06, 2, 8),
    (groups, 0.07, 2, 10),
    (among_words, 0.05, 1, 6),
    (words, 0.035, 1, 3),
    (lambda *_: "*", 0.065, 1, 1),
    (lambda *_: "", 0.02, 1, 1),
)


def pattern(rng: Generator) -> str:
    """Choose what to write in a line."""
    shares = [share for _, share, _, _ in KINDS]
    write, _, fewest, most = KINDS[rng.choice(len(KINDS), p=shares)]
    return write(rng, int(rng.integers(fewest, most + 1)))
