"""Ink on an uneven ground: light that falls off, shadows, a desk in view.

The top-hat transform (Meyer 1979) keeps what is narrower than a given width and darker, or lighter, than
what is around it. Steps between paper and desk, or light and shadow, leave nothing behind. Its two unknowns,
on which side of the ground the ink lies and how wide strokes may be, are decided on a thumbnail.
Ignores: colour, and which ink is the digit's.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.preprocess.maps import Box, Map, sample, sliding, smooth
from app.preprocess.pieces import LEVEL, Pieces

# Widest stroke, as a share of the picture's side (the root of its area): of a small digit, and of one that
# fills the picture.
NARROW, WIDE = 0.10, 0.22
THUMBNAIL_SIDE = 100
# How much a piece of ink counts by its sign: most people write dark on light.
DARK_AND_LIGHT = {-1: 1.0, 1: 0.2}
# Noise above this, as a share of the range from black to white, is smoothed away.
NOISY = 0.01
# Ground that is darker counts as this dark, or noise in black corners would become ink.
DARKEST = 0.35
# Rows along an edge that differ by this much from those further in, of 1 from black to white, are a line.
LINE = 0.1
# How many times the weight that a narrow top-hat finds a wide one must find, to be taken: of the same piece in the same
# box, as where the narrow one has eaten a blot; of the same piece in a larger box; and of another piece.
SLIGHTLY_MORE, MORE, FAR_MORE = 1.01, 1.2, 5
# What stands out less than this, as a share of the range from black to white, is no ink.
MIN_CONTRAST = 0.06


@dataclass(frozen=True)
class TopHat:
    """What to look for: ink darker (sign -1) or lighter (1) than its ground, in strokes up to a width.

    The width is a share of the picture's side (the root of its area).
    """

    sign: int
    width: float

    def ground(self, signed: Map) -> Map:
        """What a square that is wider than a stroke fits into, of a map with ink upward."""
        side = max(3, round(self.width * math.sqrt(signed.size)))
        return sliding(np.maximum, sliding(np.minimum, signed, side), side)


NOWHERE = Box(0, 0, 0, 0)


@dataclass(frozen=True)
class Found:
    """The main piece of ink that a top-hat finds, and how much speaks for it."""

    top_hat: TopHat
    weight: float = 0.0
    box: Box = NOWHERE


def ink_on_uneven_ground(grey: Map) -> Map:
    """What stands out from the ground around it in strokes: (H, W), 0 on lines along the picture's edges.

    Dark ink is given as the share of light that it swallows, so that it is as strong in a shadow.
    """
    ink = np.zeros_like(grey)
    part = inner(grey)
    ink[part] = strokes(grey[part])
    return ink


def strokes(grey: Map) -> Map:
    """What the top-hat of the picture's own sign and width finds, less the noise: (H, W)."""
    smoothed = smooth(grey)
    noise = 1.5 * float(np.median(np.abs(sample(grey - smoothed))))
    step = max(1, max(grey.shape) // THUMBNAIL_SIDE)
    top_hat = choose_top_hat(smoothed[::step, ::step])
    grey = smoothed if noise > NOISY else grey
    signed = top_hat.sign * grey
    ground = top_hat.ground(signed)
    ink: Map = signed - ground
    ink = (ink - np.median(sample(ink)) - 2 * noise).clip(min=0)
    return ink / (-ground).clip(min=DARKEST) if top_hat.sign < 0 else ink


def inner(grey: Map) -> tuple[slice, slice]:
    """The picture without the printed lines, or strips of something else, that its edges run along.

    A digit may touch such a line, as in a table's cell, and would become one piece with it.
    """
    step_y, step_x = (max(1, length // 64) for length in grey.shape)
    rows, columns = np.median(grey[:, ::step_x], axis=1), np.median(grey[::step_y], axis=0)
    top, bottom, left, right = (seam(levels) for levels in (rows, rows[::-1], columns, columns[::-1]))
    return slice(top, len(rows) - bottom), slice(left, len(columns) - right)


def seam(levels: NDArray[np.float32]) -> int:
    """How many rows from an edge on, given by their medians, are not the ground; 0 where they go on inside."""
    reach = max(2, len(levels) // 12)
    usual = np.median(levels[reach : 3 * reach]) if len(levels) > reach else np.inf
    ground = np.abs(levels[: reach + 1] - usual) < LINE
    return int(ground.argmax()) + 1 if ground.any() and not ground[0] else 0


def choose_top_hat(thumbnail: Map) -> TopHat:
    """The top-hat that finds a digit: a narrow one, unless a wide one finds more of it, or far more elsewhere."""
    usual = local_median(thumbnail)
    narrow, wide = (
        max((find(TopHat(sign, width), thumbnail, usual) for sign in (-1, 1)), key=lambda found: found.weight)
        for width in (NARROW, WIDE)
    )
    same, as_large = wide.box.share_of(narrow.box) >= 0.7, narrow.box.share_of(wide.box) >= 0.9
    enough = (SLIGHTLY_MORE if as_large else MORE) if same else FAR_MORE
    return (wide if wide.weight > enough * narrow.weight else narrow).top_hat


def find(top_hat: TopHat, thumbnail: Map, usual: Map) -> Found:
    """The main piece that a top-hat finds, weighed by its ink.

    It weighs less where its outline is not on edges of the picture, as where a shadow is cut off by the
    square, and where it has the grey that is usual there, as the gaps between strokes have.
    """
    signed = top_hat.sign * thumbnail
    ground = top_hat.ground(signed)
    ink = signed - ground
    ink = (ink - 2 * np.median(ink)).clip(min=0)
    peak = float(ink.max())
    if peak < MIN_CONTRAST:
        return Found(top_hat)
    pieces = Pieces(ink, LEVEL * peak)
    piece = pieces.labels == pieces.main
    outline = piece & (sliding(np.minimum, piece.astype(np.float32), 3) == 0)
    step = sliding(np.maximum, ground, 5) - sliding(np.minimum, ground, 5)
    on_edges = 1 - (step > 0.25 * peak)[outline].mean()
    unusual = (signed - top_hat.sign * usual)[piece].mean() / ink[piece].mean()
    weight = pieces.score[pieces.main] * min(1, on_edges / 0.75) ** 4 * np.clip(unusual, 0, 1)
    weight *= DARK_AND_LIGHT[top_hat.sign]
    return Found(top_hat, float(weight), pieces.main_box)


def local_median(thumbnail: Map) -> Map:
    """Each pixel's usual grey: the median over a window of about a third of the picture."""
    height, width = thumbnail.shape
    step = max(1, round(max(thumbnail.shape) / 24))
    coarse = thumbnail[::step, ::step]
    padded = np.pad(coarse, 4, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (9, 9)).reshape(*coarse.shape, -1)
    medians = Image.fromarray(np.median(windows, axis=2).astype(np.float32))
    return np.asarray(medians.resize((width, height), Image.Resampling.BILINEAR))
