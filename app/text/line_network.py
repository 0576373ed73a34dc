"""Strips → probabilities of what is written in their columns: the line network."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from app.network import Model, ModelError, Node, Values
from app.text.ctc import Probabilities
from app.text.line_spec import LineSpec
from app.text.strips import Pixels

# Of the padded strips of a batch together, in pixels. Wider batches take longer per
# strip, and more memory: on one core, 1.3 times as long at 1,600.
BATCH_WIDTH = 640


class LineNetwork(Model):
    """The line network, loaded from a model file; see `Model`.

    Parameters
    ----------
    path : Path
        An ONNX file with input ``strips`` float32 (N, H, W) and output
        ``probabilities`` float32 (N, W / stride, C) over the blank, its characters and
        something else. Its metadata are those of `LineSpec`.

    Attributes
    ----------
    spec : LineSpec
        What the file says of the network.

    Raises
    ------
    ModelError
        As for `Model`, or the metadata do not describe the network.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            is_line_network,
            "strips (N, H, W) and probabilities (N, T, C)",
            "training.lines",
        )
        (strips,) = self.session.get_inputs()
        (probabilities,) = self.session.get_outputs()
        classes = probabilities.shape[2]
        try:
            self.spec = LineSpec.of(strips.shape[1], self.metadata)
        except (KeyError, ValueError) as error:
            raise ModelError(
                f"{path}: its metadata do not describe a network for numbers "
                f"({error}), as in files of an earlier kind: use the file that is "
                "shipped, or make one with python -m training.lines."
            ) from error
        if classes != self.spec.classes:
            raise ModelError(
                f"{path}: has {classes} classes, but its metadata name "
                f"{self.spec.classes}."
            )

    def __call__(
        self, strips: Sequence[Pixels], padding: int | None = None
    ) -> list[Probabilities]:
        """Compute what is written in each strip; those of one width share a batch.

        Parameters
        ----------
        strips : sequence of NDArray
            (H, w) uint8 each: grey levels.
        padding : int, optional
            Strips are padded to a multiple of so many pixels; by default, of what the
            file says.

        Returns
        -------
        list of NDArray
            For each strip, (columns, C) float32, a column for each `stride` pixels of
            the padded strip: the probabilities of the blank, the characters and
            something else, which sum to 1.
        """
        padding = padding or self.spec.padding
        widths = [-(-strip.shape[1] // padding) * padding for strip in strips]
        outputs: dict[int, Probabilities] = {}
        for batch in batches(widths):
            shape = len(batch), self.spec.height, widths[batch[0]]
            padded = np.zeros(shape, np.float32)  # (N, H, W)
            for row, place in zip(padded, batch, strict=True):
                strip = strips[place]
                row[:, : strip.shape[1]] = normalised(strip, self.spec.least_contrast)
            (probabilities,) = self.run("strips", padded)  # (N, T, C)
            outputs.update(zip(batch, probabilities, strict=True))
        return [outputs[place] for place in range(len(strips))]


def batches(widths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of equal widths that are at most BATCH_WIDTH together."""
    order = sorted(range(len(widths)), key=widths.__getitem__)
    for width, group in groupby(order, key=widths.__getitem__):
        places = list(group)
        size = max(1, BATCH_WIDTH // width)
        for begin in range(0, len(places), size):
            yield places[begin : begin + size]


def normalised(pixels: Pixels, least_contrast: float) -> Values:
    """Scale grey levels (H, w): the ground, their median, to 0, the farthest to ±1."""
    levels = pixels - np.float32(np.median(pixels))
    contrast = max(np.float32(least_contrast), np.abs(levels).max())
    strip: Values = levels / contrast
    return strip


def is_line_network(nodes: list[Node]) -> bool:
    """Return whether these are the input and the output of a line network."""
    match nodes:
        case [("strips", [int(), None]), ("probabilities", [_, int()])]:
            return True
    return False
