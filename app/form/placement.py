"""Landmarks of a form and of a sheet → the map from the form to the sheet.

Each landmark of the form may be each one of the sheet: the similarity by which most
ends of landmarks meet others is refined, to an affine and then a projective map where
that fits clearly better.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.form.landmarks import Landmarks
from app.text.layout import Floats

UNIT = 1000.0  # the longer side of a page
SCALES = 0.4, 2.5  # of a sheet in its picture, over that of the form in its
MIN_LENGTH = 40.0  # of a landmark that may place the others
# The longest landmarks of a kind count: on each page, and of the form to place it.
MOST, MOST_STARTS = 300, 24
AT_ONCE = 512  # maps that are compared together, which bounds the memory
CELL = 10.0  # of the grid on which ends meet
CANDIDATES = 12
REACHES = 28.0, 18.0, 12.0, 8.0, 8.0  # how near ends are that meet, in steps
AHEAD = 0.8  # cosine from which two directions are the same
# By how much the error has to fall for a map with more parameters.
CLEARLY = 0.95
AFFINE_ENDS, PROJECTIVE_ENDS = 8, 14
SURE_FIT = 0.8  # from which no other map is tried
FEWEST = 6  # ends that say something
Kinds = NDArray[np.intp]
Complexes = NDArray[np.complex128]


class Placement(NamedTuple):
    """Where a form lies on a sheet.

    Attributes
    ----------
    place : NDArray
        (3, 3): the projective map from pixels of the form's page to pixels of the
        sheet.
    fit : float
        The share of the landmarks within the sheet that are found there; see `fit_of`.
    found : int
        Their number.
    """

    place: Floats
    fit: float
    found: int


class Ends(NamedTuple):
    """The ends of landmarks.

    Attributes
    ----------
    points : NDArray
        (n, 2).
    ahead : NDArray
        (n, 2): unit vectors that point out of the landmark.
    is_rule : NDArray
        (n,) bool.
    """

    points: Floats
    ahead: Floats
    is_rule: NDArray[np.bool_]


def ends_of(landmarks: Landmarks) -> Ends:
    """Return the ends of landmarks, each landmark's two beside each other."""
    writing = longest(landmarks.writing, MOST)
    both = np.concatenate([writing, longest(landmarks.long_rules, MOST)])
    points = both.reshape(-1, 2) * (UNIT / max(landmarks.size))
    begin, end = points[::2], points[1::2]
    along = unit(end - begin)
    ahead = np.stack([-along, along], axis=1).reshape(-1, 2)
    is_rule = np.arange(len(both)) >= len(writing)
    return Ends(points, ahead, is_rule.repeat(2))


def longest(segments: Floats, count: int) -> Floats:
    """Return the longest landmarks (n, 4), so many at most, the longest first."""
    lengths = np.hypot(*(segments[:, 2:] - segments[:, :2]).T)
    return segments[np.argsort(-lengths, kind="stable")[:count]]


def unit(vectors: Floats) -> Floats:
    """Scale vectors (n, 2) to length 1."""
    lengths: Floats = np.hypot(*vectors.T)
    return vectors / np.maximum(lengths, 1e-9)[:, None]


def placed(form: Landmarks, sheet: Landmarks) -> Placement | None:
    """Find a form on a sheet; None if too few landmarks agree.

    Parameters
    ----------
    form, sheet : Landmarks
        What is printed on the empty form; what is printed and written on the sheet.
    """
    ours, theirs = ends_of(form), ends_of(sheet)
    best = None
    for start in starts(ours, theirs):
        found = refined(ours, theirs, start, sheet.size)
        if found and (best is None or found[1:] > best[1:]):
            best = found
        if best and best.fit >= SURE_FIT:
            break
    if best is None:
        return None
    to_unit = np.diag([UNIT / max(form.size), UNIT / max(form.size), 1])
    from_unit = np.diag([max(sheet.size) / UNIT, max(sheet.size) / UNIT, 1])
    return best._replace(place=from_unit @ best.place @ to_unit)


def starts(ours: Ends, theirs: Ends) -> Iterator[Floats]:
    """Yield the similarities (3, 3) for which most speaks."""
    turns, shifts = similarities(ours, theirs)
    if not len(turns):
        return
    grids = [occupied(theirs, is_rule) for is_rule in (False, True)]
    points = complexes(ours.points)

    def votes_for(turns: Complexes, shifts: Complexes) -> Kinds:
        places = turns[:, None] * points + shifts[:, None]
        cells = np.stack([places.real, places.imag]) // CELL
        column, row = cells.astype(int).clip(-1, len(grids[0]) - 2)
        hits = np.where(ours.is_rule, grids[1][row, column], grids[0][row, column])
        votes: Kinds = hits.sum(axis=1)
        return votes

    votes = np.concatenate(
        [
            votes_for(turns[begin : begin + AT_ONCE], shifts[begin : begin + AT_ONCE])
            for begin in range(0, len(turns), AT_ONCE)
        ]
    )
    taken: list[Complexes] = []
    frame = np.array([0, UNIT, 1j * UNIT])
    for index in np.argsort(-votes, kind="stable"):
        corners = turns[index] * frame + shifts[index]
        if all(abs(corners - other).max() > 2 * CELL for other in taken):
            taken.append(corners)
            a, b = turns[index], shifts[index]
            yield np.array(
                [[a.real, -a.imag, b.real], [a.imag, a.real, b.imag], [0, 0, 1]]
            )
        if len(taken) == CANDIDATES:
            return


def similarities(ours: Ends, theirs: Ends) -> tuple[Complexes, Complexes]:
    """Return the maps z → a z + b that take one of the longest landmarks of the form to
    one of the same kind on the sheet, in either direction.
    """
    p, q = complexes(ours.points), complexes(theirs.points)
    p1, p2 = p[::2], p[1::2]
    q1, q2 = np.concatenate([q[::2], q[1::2]]), np.concatenate([q[1::2], q[::2]])
    kinds = np.tile(theirs.is_rule[::2], 2)
    same = ours.is_rule[::2, None] == kinds
    is_rule = ours.is_rule[::2]
    order = np.arange(len(p1)) - np.where(is_rule, np.count_nonzero(~is_rule), 0)
    long = (abs(p2 - p1) >= MIN_LENGTH) & (order < MOST_STARTS)
    before, after = np.where(long, p2 - p1, 1)[:, None], q2 - q1
    turns = after / before
    least, most = SCALES
    may_be = same & long[:, None] & (abs(turns) > least) & (abs(turns) < most)
    shifts = q1 - turns * p1[:, None]
    return turns[may_be], shifts[may_be]


def complexes(points: Floats) -> Complexes:
    """Return points (n, 2) as complex numbers."""
    return points[:, 0] + 1j * points[:, 1]


def occupied(ends: Ends, is_rule: bool) -> NDArray[np.bool_]:
    """Return which cells of a grid are near ends of one kind; the last ones are
    outside.
    """
    side = int(UNIT / CELL) + 2
    grid = np.zeros((side, side), bool)
    cells = (ends.points[ends.is_rule == is_rule] // CELL).astype(int)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            column, row = (cells + np.array([right, down])).clip(0, side - 2).T
            grid[row, column] = True
    grid[-1] = grid[:, -1] = False
    return grid


def refined(
    ours: Ends, theirs: Ends, place: Floats, size: tuple[int, int]
) -> Placement | None:
    """Refine a map by the ends that meet, in steps."""
    for reach in REACHES:
        pairs = meeting(ours, theirs, place, reach)
        if len(pairs[0]) < FEWEST:
            return None
        place = best_map(ours.points[pairs[0]], theirs.points[pairs[1]])
    met, _ = meeting(ours, theirs, place, REACHES[-1])
    is_found = np.zeros(len(ours.points), bool)
    is_found[met] = True
    inside = within(applied(place, ours.points), size)
    return Placement(place, fit_of(ours, is_found, inside), len(met))


def fit_of(ours: Ends, is_found: NDArray[np.bool_], inside: NDArray[np.bool_]) -> float:
    """Return the share of ends that are found, of those within the sheet.

    It is the geometric mean of those of writing and of rules: rules of another form may
    meet by chance, but not its writing as well.
    """
    shares = []
    for is_rule in (False, True):
        of_kind = inside & (ours.is_rule == is_rule)
        if np.count_nonzero(of_kind) >= FEWEST:
            shares.append(is_found[of_kind].mean())
    return float(np.prod(shares) ** (1 / max(len(shares), 1))) if shares else 0.0


def meeting(
    ours: Ends, theirs: Ends, place: Floats, reach: float
) -> tuple[Kinds, Kinds]:
    """Return which ends of the form meet which ends of the sheet."""
    points = applied(place, ours.points)
    tips = unit(applied(place, ours.points + ours.ahead) - points)
    away = np.hypot(*(points[:, None] - theirs.points).transpose(2, 0, 1))
    same = ours.is_rule[:, None] == theirs.is_rule
    ahead = tips @ theirs.ahead.T > AHEAD
    away = np.where(same & ahead, away, np.inf)
    if not away.size:
        return np.zeros(0, int), np.zeros(0, int)
    nearest = away.argmin(axis=1)
    ours_of = away.argmin(axis=0)
    places = np.arange(len(points))
    meets = (away[places, nearest] < reach) & (ours_of[nearest] == places)
    return places[meets], nearest[meets]


def best_map(before: Floats, after: Floats) -> Floats:
    """Return the simplest map (3, 3) that fits about as well as any."""
    best = similarity(before, after)
    error = error_of(best, before, after)
    for fitted, fewest in ((affine, AFFINE_ENDS), (projective, PROJECTIVE_ENDS)):
        if len(before) >= fewest:
            other = fitted(before, after)
            less = error_of(other, before, after)
            if less < CLEARLY * error:
                best, error = other, less
    return best


def error_of(place: Floats, before: Floats, after: Floats) -> float:
    """Return the root mean square distance that a map leaves."""
    return float(np.sqrt(((applied(place, before) - after) ** 2).sum(axis=1).mean()))


def similarity(before: Floats, after: Floats) -> Floats:
    """Return the similarity (3, 3) with the least squared error."""
    p, q = complexes(before), complexes(after)
    away = p - p.mean()
    a = (away.conj() @ (q - q.mean())) / max((abs(away) ** 2).sum(), 1e-9)
    b = q.mean() - a * p.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag], [0, 0, 1]])


def affine(before: Floats, after: Floats) -> Floats:
    """Return the affine map (3, 3) with the least squared error."""
    ones = np.column_stack([before, np.ones(len(before))])
    solved, *_ = np.linalg.lstsq(ones, after, rcond=None)
    place: Floats = np.vstack([solved.T, [0, 0, 1]])
    return place


def projective(before: Floats, after: Floats) -> Floats:
    """Return the projective map (3, 3) with the least squared algebraic error.

    Points are of the order of UNIT, and are scaled, as Hartley (1997) recommends.
    """
    x, y = before.T / UNIT
    u, v = after.T / UNIT
    one, none = np.ones_like(x), np.zeros_like(x)
    rows = [
        np.column_stack([x, y, one, none, none, none, -u * x, -u * y]),
        np.column_stack([none, none, none, x, y, one, -v * x, -v * y]),
    ]
    solved, *_ = np.linalg.lstsq(
        np.concatenate(rows), np.concatenate([u, v]), rcond=None
    )
    scale = np.diag([UNIT, UNIT, 1])
    scaled = np.append(solved, 1).reshape(3, 3)
    place: Floats = scale @ scaled @ np.linalg.inv(scale)
    return place


def applied(place: Floats, points: Floats) -> Floats:
    """Map points (n, 2)."""
    x, y, w = place @ np.column_stack([points, np.ones(len(points))]).T
    return np.stack([x / w, y / w], axis=1)


def within(points: Floats, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which points lie on a picture of this size."""
    most = np.array(size) * (UNIT / max(size))
    inside = (points >= 0) & (points <= most)
    both: NDArray[np.bool_] = inside[:, 0] & inside[:, 1]
    return both
