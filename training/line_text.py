"""What is written in a line to train on, as a pattern.

A pattern has marks and spaces as they are, `d` for a digit, `0` for a zero, `s` and `o`
for small ones, `1` for a 1 of one stroke, `L` and `l` for letters, `$` and `=` as they
are, and `*` for any other thing.
"""

from collections.abc import Callable

from numpy.random import Generator

DIGITS, ZEROS, SMALL = "d0so", "0o", "so"
LETTERS, SIGNS = "Ll", "$="
OTHERS = LETTERS + SIGNS + "*"


def number(rng: Generator, count: int) -> str:
    """Write a number; a quarter end in zeros, which may be small."""
    zeros = int(rng.integers(1, count + 1)) if rng.random() < 0.25 else 0
    return "d" * max(1, count - zeros) + ("o" if rng.random() < 0.15 else "0") * min(
        zeros, count - 1
    )


def amount(rng: Generator, count: int) -> str:
    """Write an amount: perhaps with a sign, groups of three, decimals or a flourish."""
    point, group = ".," if rng.random() < 0.5 else ",."
    decimals = int(rng.choice([0, 2, 2, 1, 3])) if count > 1 else 0
    digit, zero = "so" if rng.random() < 0.15 else "d0"
    before = rng.choice(["", "-", "$", "="], p=[0.56, 0.2, 0.16, 0.08])
    after = rng.choice(["", ".", ".-", "-", "="], p=[0.6, 0.06, 0.06, 0.13, 0.15])
    whole = [
        "d" if not place or rng.random() < 0.75 else "0"
        for place in range(max(1, count - decimals))
    ]
    if rng.random() < 0.6:
        for place in range(len(whole) - 3, 0, -3):
            whole.insert(place, group)
    fraction = "".join(zero if rng.random() < 0.4 else digit for _ in range(decimals))
    return f"{before}{''.join(whole)}{point if decimals else ''}{fraction}{after}"


def date(rng: Generator, _: int) -> str:
    """Write a date, or a time of day."""
    if rng.random() < 0.4:
        return ":".join(
            ["d" * int(rng.integers(1, 3)), *["dd"] * int(rng.integers(1, 3))]
        )
    parts = [
        "d" * int(rng.integers(1, 3)),
        "d" * int(rng.integers(1, 3)),
        "d" * int(rng.choice([2, 4])),
    ]
    return "///.-"[int(rng.integers(5))].join(
        parts[::-1] if rng.random() < 0.2 else parts
    )


def groups(rng: Generator, count: int) -> str:
    """Write up to three numbers with spaces between them."""
    return " ".join("d" * part for part in rng.multinomial(count, [1 / 3] * 3) if part)


def word(rng: Generator) -> str:
    """Write a word, or one to three other things."""
    return (
        "L" + "l" * int(rng.integers(2, 7))
        if rng.random() < 0.5
        else "*" * int(rng.integers(1, 4))
    )


def among_words(rng: Generator, count: int) -> str:
    """Write a number among words or other things."""
    before, after = (word(rng) if rng.random() < 0.6 else "" for _ in range(2))
    return before + "d" * count + (after or ("" if before else word(rng)))


# What is written, its share of the lines, and the fewest and most digits (or words).
KINDS: tuple[tuple[Callable[[Generator, int], str], float, tuple[int, int]], ...] = (
    (number, 0.19, (2, 8)),
    (number, 0.17, (1, 1)),
    (number, 0.08, (6, 16)),
    (amount, 0.16, (1, 9)),
    (date, 0.14, (6, 8)),
    (groups, 0.09, (2, 10)),
    (among_words, 0.05, (1, 6)),
    (lambda rng, count: " ".join(word(rng) for _ in range(count)), 0.035, (1, 3)),
    (lambda *_: "*", 0.065, (1, 1)),
    (lambda *_: "", 0.02, (1, 1)),
)


def pattern(rng: Generator) -> str:
    """Choose what to write in a line."""
    kinds, shares, counts = zip(*KINDS, strict=True)
    kind = int(rng.choice(len(kinds), p=shares))
    written: str = kinds[kind](
        rng, int(rng.integers(counts[kind][0], counts[kind][1] + 1))
    )
    return written
