"""A model file that `training.train` wrote, to train its networks further."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import onnx
from torch import Tensor

from app.digit.classifier import Classifier
from training.digits.model import DigitNet, Layer, unfolded
from training.digits.quantize import Int8Layer
from training.digits.recipe import RECIPES, Recipe
from training.errors import TrainingError
from training.pretrained import arrays_in
from training.run import recipe_in


class Start(NamedTuple):
    """The networks of a model file, each with the seed that it was trained with.

    Attributes
    ----------
    recipe : Recipe
        How they are trained further.
    networks : dict of int to DigitNet
        For each seed, the float network, without dropout.
    origin : dict of str to str
        What the metadata of a file that is made from it say of it.
    """

    recipe: Recipe
    networks: dict[int, DigitNet]
    origin: dict[str, str]


NOTHING = Start(Recipe(), {}, {})


def load(file: Path) -> Start:
    """Load a model file.

    Its recipe gets another end; the rate and the epochs were chosen on pictures by
    three drawn hands. Files from before recipes were JSON have the recipe `best`.

    Raises
    ------
    ModelError
        The file is missing or unreadable, or the service would not load it.
    TrainingError
        It was not written by `training.train`, or has an unknown recipe.
    """
    classifier = Classifier(file)
    metadata = classifier.metadata
    arrays = arrays_in(onnx.load(classifier.path))
    networks = {}
    try:
        activation = metadata["activation"]
        recipe = metadata["recipe"]
        for number, seed in enumerate(metadata["seed"].split()):
            networks[int(seed)] = unfolded(layers_of(arrays, number), activation)
        (*_, network) = networks.values()
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise TrainingError(
            f"{file} cannot be trained further: training.train did not write it."
        ) from error
    is_command = recipe.startswith("python ")
    further = replace(
        RECIPES["best"] if is_command else recipe_in(Recipe, recipe, f"{file}"),
        hidden=network.widths[1:-1],
        channels=(),
        activation=activation,
        seeds=[*networks],
        optimizer="adamw",
        learning_rate=1e-4,
        batch_size=256,
        epochs=1,
        digits=20_000,
        threads=None,
        precision="auto",
        from_=str(file),
    )
    origin = {"tuned_from_sha256": classifier.sha256}
    if "layers" in metadata:
        origin["layers"] = metadata["layers"]
    return Start(further, networks, origin)


def layers_of(arrays: Mapping[str, Tensor], number: int) -> list[Layer]:
    """Return the layers of a network, from arrays named by `export`."""
    layers = list[Layer]()
    while f"weight_{number}_{len(layers)}" in arrays:
        i = f"{number}_{len(layers)}"
        kind = Int8Layer if f"scale_{i}" in arrays else Layer
        layer = kind(*(arrays[f"{name}_{i}"] for name in kind._fields))
        layers.append(layer.as_floats() if isinstance(layer, Int8Layer) else layer)
    return layers
