"""A model file that `training.train` wrote, to train its networks further."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import onnx
from torch import Tensor

from app.digit.classifier import Classifier
from training.digits.model import DigitNet, Layer, unfolded
from training.digits.quantize import Int8Layer
from training.errors import TrainingError
from training.reader.graph import arrays_in


class Start(NamedTuple):
    """The networks of a model file, each with the seed that it was trained with.

    Attributes
    ----------
    recipe : str
        The command that repeats its training.
    networks : dict of int to DigitNet
        For each seed, the float network, without dropout.
    origin : dict of str to str
        What the metadata of a file that is made from it say of it: its SHA-256.
    """

    recipe: str
    networks: dict[int, DigitNet]
    origin: dict[str, str]


NOTHING = Start("", {}, {})


def load(file: Path) -> Start:
    """Load a model file.

    Raises
    ------
    ModelError
        The file is missing or unreadable, or the service would not load it.
    TrainingError
        It was not written by `training.train`, or has other layers.
    """
    classifier = Classifier(file)
    metadata = classifier.metadata
    arrays = arrays_in(onnx.load(classifier.path))
    origin = {"tuned_from_sha256": classifier.sha256}
    networks = {}
    try:
        for number, seed in enumerate(metadata["seed"].split()):
            layers = layers_of(arrays, number)
            networks[int(seed)] = unfolded(layers, metadata["activation"])
        return Start(metadata["recipe"], networks, origin)
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise TrainingError(
            f"{file} cannot be trained further: training.train did not write it."
        ) from error


def layers_of(arrays: Mapping[str, Tensor], number: int) -> list[Layer]:
    """Return the layers of a network, from arrays named by `export`."""
    layers = list[Layer]()
    while f"weight_{number}_{len(layers)}" in arrays:
        i = f"{number}_{len(layers)}"
        kind = Int8Layer if f"scale_{i}" in arrays else Layer
        layer = kind(*(arrays[f"{name}_{i}"] for name in kind._fields))
        layers.append(layer.as_floats() if isinstance(layer, Int8Layer) else layer)
    return layers
