"""Numbers as people write them with a pen: the strokes of five hands, varied at random."""

import numpy as np
from numpy.typing import NDArray

# The strokes of the digits 0 to 9, separated by "/": points in hundredths of the digit's height, which a smooth curve
# joins, except for sharp turns at "!". A mark's strokes follow below; one point is a dot.
HANDS = {
    "plain": [
        "30,0 8,18 0,50 8,82 28,100 50,85 58,50 50,15 30,0",
        "10,0 10,100",
        "3,22 10,6 28,0 46,6 52,22 45,42 25,70 2,98! 55,97",
        "4,12 22,0 42,6 46,24 36,40 20,46! 42,52 54,70 44,92 22,100 2,90",
        "12,0 6,30 0,58! 56,56 / 44,20 42,100",
        "8,0 5,42! 20,36 42,42 52,64 44,90 22,100 2,92 / 8,0 50,-1",
        "42,0 20,18 5,48 2,74 12,96 32,100 48,86 48,66 34,54 16,58 4,74",
        "0,2 52,0! 36,40 18,100",
        "46,14 28,0 8,12 10,32 30,46 48,64 48,88 28,100 6,90 4,68 22,50 40,34 46,14",
        "46,16 28,0 8,10 2,30 12,48 30,48 44,34 46,14! 45,50 42,100",
    ],
    "european": [
        "32,0 12,10 2,40 4,75 20,100 40,94 52,60 50,25 32,0",
        "0,38 30,0! 28,100",
        "2,24 12,4 30,0 44,12 42,34 28,64 12,92 2,96 2,84 16,82 36,97 56,94",
        "2,10 24,0 44,10 40,32 22,45! 46,54 54,76 38,98 14,100 0,88",
        "28,0 16,30 0,64! 56,62 / 40,38 36,100",
        "10,0 4,44! 26,38 48,52 48,80 28,100 4,94 / 10,0 52,-2",
        "38,0 14,28 2,64 8,94 28,100 46,84 40,60 20,58 4,76",
        "0,8 6,2 54,0! 38,40 22,100 / 10,50 50,46",
        "30,46 10,34 10,12 28,0 46,12 44,34 30,46 8,62 4,88 26,100 50,88 48,62 30,46",
        "48,20 34,0 10,6 2,28 14,48 36,42 48,18 48,55 36,88 10,100",
    ],
    "printed": [
        "28,0 50,14 56,50 50,86 28,100 6,86 0,50 6,14 28,0",
        "4,22 26,0! 26,100 / 4,100 48,100",
        "2,18 20,0 44,6 48,28 34,54 0,100! 54,100",
        "2,0 48,0! 22,40! 44,48 54,70 42,94 20,100 0,88",
        "40,100 40,0! 0,66! 58,66",
        "50,0 8,0! 6,42! 28,36 50,50 50,82 28,100 2,90",
        "36,0 12,36 2,70 10,94 30,100 50,88 52,68 36,54 14,60 3,74",
        "0,16 2,0! 52,0! 30,50 20,100",
        "28,0 8,10 8,34 28,45 48,34 48,10 28,0 / 28,45 4,58 2,86 28,100 54,86 52,58 28,45",
        "50,22 38,2 14,2 2,22 12,46 36,46 50,24! 50,100",
    ],
    "hasty": [
        "40,6 22,0 4,24 2,66 18,98 42,92 54,56 50,18 34,2 20,8",
        "0,20 18,0! 14,100",
        "2,18 20,0 42,10 40,36 4,96! 28,90 56,97",
        "6,6 28,0 42,16 30,38 16,44 34,48 48,66 38,92 12,100 0,94",
        "14,0 0,52! 52,48 / 46,0 34,100",
        "48,2 12,0! 4,44! 26,40 44,56 40,86 18,100 0,92",
        "44,4 20,20 2,60 8,94 32,98 44,78 32,62 12,70",
        "0,6 24,4 50,0! 34,50 28,100",
        "44,10 24,0 6,14 18,36 40,56 44,84 24,100 4,86 14,60 36,36 46,8",
        "44,12 24,0 4,18 8,42 28,44 44,14! 40,60 28,100",
    ],
    "round": [
        "34,0 10,12 0,50 12,90 34,100 58,86 66,50 56,12 34,0",
        "0,30 26,0! 24,100",
        "2,22 20,0 46,4 52,28 30,62 2,97! 60,100",
        "2,14 24,0 48,8 48,32 24,46! 54,52 62,76 42,98 18,100 0,86",
        "20,0 14,34 2,58 18,62 60,58 / 48,26 44,100",
        "10,0 8,42! 30,36 56,50 56,82 32,100 4,92 / 10,0 56,-3",
        "46,0 16,22 0,62 10,92 34,100 56,84 52,62 30,54 6,70",
        "0,10 4,0! 58,2! 40,44 26,100 / 16,48 56,48",
        "52,16 32,0 10,10 12,34 34,46 58,66 54,92 30,100 6,90 6,66 28,50 48,36 52,16",
        "54,18 34,0 8,8 2,32 18,50 40,44 54,18 54,60 44,90 24,100 6,94",
    ],
}
MARKS = {".": "0,97", "-": "0,54 42,52"}
JITTER = 0.012  # standard deviation of the points, in heights of the digit
PEN = 0.1  # width of the strokes, in heights of the digit
SHEET, MARGIN = np.array([1.5, 1]), 0.05  # in heights of the sheet
Points = NDArray[np.float64]  # (N, 2)


def stroke(text: str, rng: np.random.Generator) -> Points:
    """Draw a stroke of the table, with points that waver. The page rounds it, except where there are two points."""
    given = text.split()
    points = np.array([[float(x) / 100 for x in point.strip("!").split(",")] for point in given])
    points = points.repeat([1 + point.endswith("!") for point in given], axis=0)
    return points + rng.normal(0, JITTER, points.shape)


def written(text: str, hand: str, rng: np.random.Generator) -> list[Points]:
    """Write a text on a line, its digits 1 high: its strokes, with gaps between the characters wider than the pen."""
    slant, width = rng.uniform(-0.05, 0.2), rng.uniform(0.85, 1.15)
    rise, spacing = rng.uniform(-0.03, 0.03), rng.uniform(0.1, 0.28)
    strokes, right = [], 0.0
    for character in text:
        drawn = MARKS.get(character) or HANDS[hand][int(character)]
        size = 1 if character in MARKS else rng.uniform(0.88, 1.06)
        parts = [stroke(part, rng) * size + [0, 1 - size] for part in drawn.split("/")]
        parts = [np.stack([width * x - slant * y, y], 1) for x, y in (part.T for part in parts)]
        left = right + PEN + spacing * rng.uniform(0.8, 1.25) - min(part[:, 0].min() for part in parts)
        parts = [part + np.array([left, rise * right]) for part in parts]
        right = max(part[:, 0].max() for part in parts)
        strokes += parts
    return strokes


def on_sheet(text: str, hand: str, rng: np.random.Generator, height: float) -> list[Points]:
    """Write a text somewhere on the sheet, its digits as high as given or less; the unit is the sheet's height."""
    strokes = written(text, hand, rng)
    corners = np.concatenate(strokes)
    inside, extent = SHEET - 2 * MARGIN, np.ptp(corners, axis=0)
    height = min(height, *inside / extent)
    place = MARGIN + rng.uniform(0.1, 0.9, 2) * (inside - height * extent) - height * corners.min(0)
    return [height * part + place for part in strokes]
