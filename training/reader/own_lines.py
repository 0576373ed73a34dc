"""Train the reader on your own pictures too, cut into lines as the service does."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from app.labels import NOTHING, labels_below
from app.picture.opening import open_image
from app.text.layout import in_rows, joined
from app.text.pages import PageNetwork
from app.text.reading import decoded
from app.text.strips import WHOLE_STRIPS, Sheet, whole_sheet
from training.errors import TrainingError
from training.options import PAGES_MODEL
from training.pictures import read_all
from training.reader.ink_lines import Text
from training.reader.paper import normalised, padded
from training.reader.recogniser import STRIP_HEIGHT
from training.writing.alphabet import CHARACTERS, class_of
from training.writing.drawing import levels

PER_BATCH = 4  # of the user's own lines, beside the written ones


class OwnLine(NamedTuple):
    """A line cut out of a picture: grey pixels (H, w) uint8, and what it says."""

    pixels: NDArray[np.uint8]
    symbols: Text


def load(folder: Path) -> list[OwnLine]:
    """Cut labelled pictures into lines, in each way that gives as many lines as the
    label has.

    Parameters
    ----------
    folder : Path
        A folder as for `training.pictures`, or several such folders. A label is what is
        written, with newlines between lines, or `none`.

    Raises
    ------
    TrainingError
        There is no picture to train on, or the labels are missing, or have characters
        that are not read.
    """
    texts = {}
    for page, label in labels_below(folder).items():
        texts[page] = [symbols_of(line, page.file) for line in label.splitlines()]
    return read_all(folder, texts, partial(strips_of, pages=PageNetwork(PAGES_MODEL)))


def strips_of(
    content: bytes, page: int | None, texts: list[Text], pages: PageNetwork
) -> list[OwnLine]:
    """Cut a picture into as many lines as there are texts, in each way that fits."""
    picture = decoded(open_image(content, page=page))
    whole = whole_sheet(picture)
    cut_out = [whole_strip(whole, STRIP_HEIGHT) for whole_strip in WHOLE_STRIPS]
    ways = [[strip] for strip in cut_out if strip]
    sheet = Sheet.of(picture)
    rows = in_rows(pages.lines_on(sheet.grey))
    ways.append([sheet.strip(joined(row), STRIP_HEIGHT) for row in rows])
    found = list[OwnLine]()
    for strips in ways:
        if len(strips) == len(texts):
            pixels = [strip.pixels for strip in strips]
            found += map(OwnLine, pixels, texts)
    return found


def symbols_of(text: str, path: Path) -> Text:
    """Convert a line's text to classes of the reader."""
    if text == NOTHING:
        return ()
    unknown = set(text) - set(CHARACTERS)
    if unknown:
        raise TrainingError(
            f"{path}: the label {text!r} has {unknown.pop()!r}, which is not read."
        )
    return tuple(map(class_of, text))


def added(
    strips: Tensor, texts: Sequence[Text], own: Sequence[OwnLine], rng: Generator
) -> tuple[Tensor, list[Text]]:
    """Append some of the user's own lines to a batch of strips (N, H, W)."""
    if not own:
        return strips, [*texts]
    sheets = [*strips]
    symbols = [*texts]
    for k in rng.choice(len(own), min(PER_BATCH, len(own)), replace=False):
        grey = torch.from_numpy(levels(own[k].pixels))[None]
        sheets += padded(normalised(grey))
        symbols.append(own[k].symbols)
    width = max(sheet.shape[1] for sheet in sheets)
    wide = [F.pad(sheet, (0, width - sheet.shape[1])) for sheet in sheets]
    return torch.stack(wide), symbols
