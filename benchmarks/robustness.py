"""Measure how well MNIST's digits are read in the kinds of pictures that people send.

    make robustness [ARGS="--split test --n 500 --scene phone-photo --scene
    printed-box"]

The scenes of `training.scenes` are read as by the service, but without HTTP. A picture
that cannot be read counts as wrong. *Alone* is the dense network without the line
network's second opinion. Needs the extra `training`.
"""

from typing import Annotated

import numpy as np
import typer

from measuring import LinesModel, Model, Served, header, held_out, percent, row
from training.config import LINES_MODEL, MODEL
from training.scenes import SCENES, render

LARGE_PICTURES = 200  # at most: a 12-megapixel picture takes half a second to draw


def main(
    split: Annotated[str, typer.Option(help="validation or test")] = "validation",
    n: Annotated[
        int,
        typer.Option(min=1, help="Digits in each scene; at most 200 in 12-megapixels."),
    ] = 500,
    seed: Annotated[
        int, typer.Option(help="Random seed for choosing and rendering the digits.")
    ] = 0,
    scene: Annotated[
        list[str] | None, typer.Option(help="A scene; may be repeated (all).")
    ] = None,
    model: Model = MODEL,
    lines_model: LinesModel = LINES_MODEL,
) -> None:
    """Measure the error in each scene."""
    networks, digits, errors = Served.load(model, lines_model), held_out(split), []
    chosen = np.random.default_rng(seed).permutation(len(digits))[:n]
    header("scene", "wrong (95 % interval)", "alone")
    for name in scene or SCENES:
        some = chosen[:LARGE_PICTURES] if name == "12-megapixels" else chosen
        pictures = (
            render(name, digits.images[k].numpy(), seed, index)
            for index, k in enumerate(some)
        )
        read = np.array(
            [(networks.digit(file), networks.alone.digit(file)) for file in pictures],
            float,
        )
        wrong, alone = (read != digits.labels.numpy()[some, None]).sum(axis=0).tolist()
        errors.append((wrong / len(some), alone / len(some)))
        row([name, percent(wrong, len(some)), f"{alone / len(some):.2%}"])
    mean, alone = np.mean(errors, axis=0)
    typer.echo(f"\nMean error of {len(errors)} scenes: {mean:.2%}, alone {alone:.2%}")


if __name__ == "__main__":
    typer.run(main)
