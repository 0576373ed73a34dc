"""Frames → probabilities and legibility: the dense network."""

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.network import Model, Node, Values
from app.picture.frame import FRAME_SIDE

PIXELS = FRAME_SIDE**2
CLASSES = 10
# How the names of outputs begin that show the inside of the network.
INSIDE = ("hidden_", "weight_")
FIRST_WEIGHTS = "weight_0_0"  # name of an output
NODES: list[Node] = [
    ("pixels", [PIXELS]),
    ("probabilities", [CLASSES]),
    ("legibility", []),
]


def shape_in(text: str) -> tuple[int, int, int]:
    """Parse the shape of a layer's maps, such as 20x8x8, or its number of units; (0, 0,
    0) if it is neither.
    """
    numbers = [int(part) if part.isdecimal() else 0 for part in text[:30].split("x")]
    count, height, width = (*numbers, 1, 1)[:3] if len(numbers) in (1, 3) else (0, 0, 0)
    return count, height, width


class Classes(NamedTuple):
    """Output of the network for N frames.

    Attributes
    ----------
    probabilities : NDArray
        (N, 10) float32; each row sums to 1 and is indexed by digit.
    legibility : NDArray
        (N,) float32 in [0, 1]: the probability that a frame shows one whole digit.
    """

    probabilities: Values
    legibility: Values

    @classmethod
    def joined(cls, parts: Sequence["Classes"]) -> "Classes":
        """Join the output for consecutive groups of frames."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def split(self, counts: Iterable[int]) -> list["Classes"]:
        """Split the output into that of consecutive groups, by the number of frames in
        each.
        """
        *ends, _ = accumulate(counts)
        parts = (np.split(values, ends) for values in self)
        return [*map(Classes, *parts)]


class Classifier(Model):
    """The dense network, loaded from a model file; see `Model`.

    Parameters
    ----------
    path : Path
        An ONNX file with input ``pixels`` float32 (N, 784) and outputs
        ``probabilities`` float32 (N, 10) and ``legibility`` float32 (N,). Without
        ``legibility``, as in older files, every frame has a legibility of 1. It may
        also have the outputs ``hidden_0_0``, ``hidden_0_1`` … of the hidden layers,
        whose maps are ``layers`` in its metadata, and the weights of the first one,
        ``weight_0_0``.
    """

    def __init__(self, path: Path) -> None:
        expected = (
            f"pixels (N, {PIXELS}), probabilities (N, {CLASSES}) and legibility (N,)"
        )
        super().__init__(path, is_dense_network, expected, "training.train", INSIDE)
        widths = {node.name: node.shape[-1:] for node in self.session.get_outputs()}
        texts = enumerate(self.metadata.get("layers", "").split())
        shapes = {f"hidden_0_{number}": shape_in(text) for number, text in texts}
        is_complete = FIRST_WEIGHTS in widths and all(
            widths.get(name) == [math.prod(shape)] for name, shape in shapes.items()
        )
        self.shapes = shapes if is_complete else {}

    def hidden(self, frame: Values) -> list[tuple[tuple[int, int, int], Values]]:
        """Compute the activations of each hidden layer of the first network for a
        frame, with the shape of its maps.
        """
        if not self.shapes:
            return []
        maps = self.run("pixels", frame.reshape(1, PIXELS), [*self.shapes])
        return [*zip(self.shapes.values(), maps, strict=True)]

    def first_weights(self) -> NDArray[np.generic]:
        """Return the weights of the first hidden layer of the first network, (784,
        units); without units if unknown.
        """
        if not self.shapes:
            return np.zeros((PIXELS, 0), np.float32)
        nothing = np.zeros((1, PIXELS), np.float32)
        (weights,) = self.run("pixels", nothing, [FIRST_WEIGHTS])
        return weights if len(weights) == PIXELS else weights.T

    def __call__(self, frames: Values) -> Classes:
        """Classify frames.

        Parameters
        ----------
        frames : NDArray
            (N, 28, 28) float32 in [0, 1], ink = 1.

        Returns
        -------
        Classes
            Probabilities (N, 10) and legibility (N,).
        """
        probabilities, *legibility = self.run("pixels", frames.reshape(-1, PIXELS))
        return Classes(probabilities, *legibility or [np.ones(len(frames), np.float32)])


def is_dense_network(nodes: list[Node]) -> bool:
    """Return whether these are the input and the outputs of a dense network."""
    return nodes in (NODES, NODES[:-1])  # older files have no legibility
