"""Measure how well MNIST's digits are read in the kinds of pictures that people send.

    make robustness [ARGS="--split test --n 500 --scene phone-photo --scene printed-box"]

The scenes of `training.scenes` are read as by the service, but without HTTP. *Alone* is the dense network without the
line network's second opinion. A picture that cannot be read counts as wrong. Needs the extra `training`.
"""

import time
from typing import Annotated

import numpy as np
import typer

from measuring import LinesModel, Model, Networks, header, held_out, row
from training.config import LINES_MODEL, MODEL
from training.scenes import SCENES, render

LARGE_PICTURES = 200  # at most: a 12-megapixel picture takes half a second to draw


def main(
    split: Annotated[str, typer.Option(help="validation or test")] = "validation",
    n: Annotated[int, typer.Option(min=1, help="Digits in each scene; at most 200 in 12-megapixels.")] = 500,
    seed: Annotated[int, typer.Option(help="Random seed for choosing and rendering the digits.")] = 0,
    scene: Annotated[list[str] | None, typer.Option(help="A scene; may be repeated (all).")] = None,
    model: Model = MODEL,
    lines_model: LinesModel = LINES_MODEL,
) -> None:
    """Measure the error in each scene."""
    networks, digits = Networks.of(model, lines_model), held_out(split)
    chosen = np.random.default_rng(seed).permutation(len(digits))[:n]
    errors = []
    header("scene", "wrong", "alone", "ms")
    for name in scene or SCENES:
        wrong, seconds = [], 0.0
        for index, k in enumerate(chosen[:LARGE_PICTURES] if name == "12-megapixels" else chosen):
            picture, label = render(name, digits.images[k].numpy(), seed, index), int(digits.labels[k])
            began = time.perf_counter()
            readings = networks.read(picture)
            seconds += time.perf_counter() - began
            wrong.append([reading is None or reading.digit != label for reading in readings])
        share, alone = 100 * np.mean(wrong, axis=0)
        errors.append([share, alone])
        count = f"{sum(one for one, _ in wrong)} of {len(wrong)}"
        row([name, f"{share:.1f} % ({count})", f"{alone:.1f} %", f"{1000 * seconds / len(wrong):.1f}"])
    mean, alone = np.mean(errors, axis=0)
    typer.echo(f"\nMean error of {len(errors)} scenes: {mean:.2f} %, alone {alone:.2f} %")


if __name__ == "__main__":
    typer.run(main)
