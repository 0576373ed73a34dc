"""Measure how well MNIST's digits are read in the kinds of pictures that people send.

    make robustness [ARGS="--split test --n 500 --scene phone-photo --scene
    printed-box"]

The scenes of `training.writing.scenes` are read as by the service, but without HTTP. A
picture that cannot be read counts as wrong. *Alone* is the dense network without the
line network's second opinion. Needs the extra `training`.
"""

from typing import Annotated

import numpy as np
import typer

from measuring import (
    LinesModel,
    Model,
    Scenes,
    Seed,
    Served,
    Split,
    header,
    held_out,
    percent,
    row,
)
from training.options import LINES_MODEL, MODEL
from training.writing.scenes import SCENES, render

LARGE_PICTURES = 200  # at most: a 12-megapixel picture takes half a second to draw


def main(
    split: Split = "validation",
    n: Annotated[
        int,
        typer.Option(min=1, help="Digits in each scene; at most 200 in 12-megapixels."),
    ] = 500,
    seed: Seed = 0,
    scenes: Scenes = None,
    model: Model = MODEL,
    lines_model: LinesModel = LINES_MODEL,
) -> None:
    """Measure the error in each scene."""
    networks = Served.load(model, lines_model)
    digits = held_out(split)
    errors = []
    chosen = np.random.default_rng(seed).permutation(len(digits))[:n]
    header("scene", "wrong (95 % interval)", "alone")
    for name in scenes or SCENES:
        some = chosen[:LARGE_PICTURES] if name == "12-megapixels" else chosen
        wrong = alone = 0
        for index, k in enumerate(some):
            file = render(name, digits.images[k].numpy(), seed, index)
            label = int(digits.labels[k])
            wrong += networks.digit(file) != label
            alone += networks.alone.digit(file) != label
        errors.append((wrong / len(some), alone / len(some)))
        row([name, percent(wrong, len(some)), f"{alone / len(some):.2%}"])
    both, single = np.mean(errors, axis=0)
    typer.echo(f"\nMean error of {len(errors)} scenes: {both:.2%}, alone {single:.2%}")


if __name__ == "__main__":
    typer.run(main)
