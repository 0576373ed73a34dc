"""Symbols in the columns of a strip → where they are in its pixels."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.picture.maps import Map, Mask, PixelBox
from app.text.ctc import Span
from app.text.line_spec import LineSpec
from app.text.strips import Pixels

# Maximum distance of a symbol's ink from its columns, in heights of the strip.
REACH = 0.75
GROUND = 0.2  # darkness up to which a pixel is background
INKED = 0.5  # darkness from which it is ink


class Place(NamedTuple):
    """Where a symbol is in a strip, and its ink there, in [0, 1]."""

    box: PixelBox
    ink: Map


def places_of(
    spans: Sequence[Span], pixels: Pixels, spec: LineSpec
) -> dict[Span, Place]:
    """Find the symbols of a strip (H, w); ink is what differs from the median grey.

    Symbols are separated where there is least ink. Full ink is what is seen near them,
    since most of a strip may be empty.
    """
    if not spans:
        return {}
    height, width = pixels.shape
    ends = np.array([(span.first, span.last + 1) for span in spans])  # (n, 2)
    edges = (spec.stride * ends).clip(0, width - 1)
    reached = edges + REACH * height * np.array([-1, 1])
    reached = reached.astype(int).clip(0, width)
    ink = ink_near(reached, pixels)
    inked = ink >= INKED
    middles = edges.mean(axis=1) - spec.delay * spec.stride
    cuts = cuts_between(spans, inked, middles.astype(int).clip(0).tolist(), spec)
    limits = zip([0, *cuts], [*cuts, width], strict=True)
    places = {}
    for span, reach, limit in zip(spans, reached.tolist(), limits, strict=True):
        left = max(reach[0], limit[0])
        right = min(reach[1], limit[1])
        box = box_in(inked, left, right)
        contrast = (ink[box.slices] - GROUND) / (1 - GROUND)
        places[span] = Place(box, contrast.clip(0, 1))
    return places


def ink_near(reached: NDArray[np.int64], pixels: Pixels) -> Map:
    """Return the ink (H, w) of a strip; the ink near columns (n, 2) has about 1."""
    grey = pixels.astype(np.float32)
    away = np.abs(grey - np.median(grey))
    near = np.concatenate([np.arange(left, right) for left, right in reached])
    full = float(np.percentile(away[:, near], 95))
    ink: Map = away / max(1.0, full)
    return ink


def cuts_between(
    spans: Sequence[Span], inked: Mask, middles: Sequence[int], spec: LineSpec
) -> list[int]:
    """Return the columns that separate symbols, given the middle of each.

    There is least ink between them. Some ink lies before the cut that follows a digit
    or a mark, even where its column is late.
    """
    profile = inked.sum(axis=0)
    cuts = []
    before = 0
    for span, (left, right) in zip(spans, pairwise(middles), strict=False):
        first = left
        if spec.is_sign(span.symbol):
            is_ink = profile[before:] > 0
            first = before + int(is_ink.argmax())
        begin = min(max(left, first), right)
        between = profile[begin : right + 1]
        before = begin + int(between.argmin())
        cuts.append(before)
    return cuts


def box_in(inked: Mask, left: int, right: int) -> PixelBox:
    """Return the box around the ink in these columns; all of them if there is none."""
    rows, columns = np.nonzero(inked[:, left:right])
    if not len(rows):
        return PixelBox(0, len(inked), left, right)
    return PixelBox(
        int(rows.min()),
        int(rows.max()) + 1,
        left + int(columns.min()),
        left + int(columns.max()) + 1,
    )
