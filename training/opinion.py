"""Fit how much the line network's second opinion counts: `python -m training.opinion`.

The weights are written into the dense network's file, with the SHA-256 of the line network's: the service ignores
weights that were fitted with another one. They are fitted on the validation set of `training.train`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from app.inference.classifier import CERTAIN, Classifier
from app.inference.lines import LineNetwork
from app.inference.opinion import FITTED_WITH, FLOOR, WEIGHTS, Weights, outputs_of, seen_in
from app.inference.reading import SURE
from app.preprocess.decode import Picture
from app.preprocess.maps import Box
from training import data, omniglot
from training.calibrate import best_weights, legibility_loss, shares_of
from training.config import LINES_MODEL, MODEL, add_data_options, require_file_name
from training.data import Digits
from training.errors import exit_status
from training.objective import NONE
from training.run import unfinished
from training.validation import validation_set

MOST = 6_000  # frames, which take 10 ms each
INK = 40  # levels of a frame from which a pixel is within its box


def add_opinion(classifier: Classifier, network: LineNetwork, frames: Digits, output: Path) -> Weights:
    """Fit how the opinions of both networks become one, and write the dense network's file with the weights.

    Parameters
    ----------
    classifier : Classifier
        The dense network; only the metadata of its file change.
    network : LineNetwork
        The line network.
    frames : Digits
        Held-out digits and non-digits.
    output : Path
        The file to write, which may be the dense network's own.
    """
    weights = opinion_weights(classifier, network, frames.to(torch.device("cpu")))
    model = onnx.load(classifier.path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    metadata[WEIGHTS] = " ".join(f"{weight:.3f}" for weight in weights)
    metadata[FITTED_WITH] = network.sha256
    onnx.helper.set_model_props(model, metadata)
    with unfinished(output) as file:
        onnx.save_model(model, file)
    return weights


def opinion_weights(classifier: Classifier, network: LineNetwork, frames: Digits) -> Weights:
    """Find the weights with the least cross-entropy, on frames of which the dense network is not sure."""
    pixels, labels = frames.images.numpy(), frames.labels
    probabilities, legibility = map(torch.from_numpy, classifier(np.divide(pixels, 255, dtype=np.float32)))
    is_sure = (probabilities.amax(dim=1) >= SURE) & (legibility >= SURE)
    chosen = (~is_sure).nonzero()[:, 0]
    chosen = chosen[:: -(-len(chosen) // MOST)]
    shares, is_digit = shares_of(labels != NONE)[chosen], (labels != NONE)[chosen]
    seen = torch.from_numpy(np.stack([seen_in_frame(frame, network) for frame in pixels[chosen]]))  # (N, n, 10)
    likely, which_one = probabilities[chosen].double().clamp(min=1e-9).log(), (seen + FLOOR).log().mean(dim=1)
    legible = legibility[chosen].double().logit(eps=CERTAIN)
    is_one = (seen.sum(dim=2) + FLOOR).log().mean(dim=1)

    def loss(weights: Tensor) -> Tensor:
        digit, scale, offset, seen = weights
        wrong = F.cross_entropy((likely + digit * which_one)[is_digit], labels[chosen][is_digit])
        return wrong + legibility_loss(scale * legible + offset + seen * is_one, is_digit, shares)

    return Weights(*best_weights(loss, 0, 1, 0, 0))


def seen_in_frame(frame: NDArray[np.uint8], network: LineNetwork) -> NDArray[np.float64]:
    """Return the line network's probability of each digit in the strips of a frame (28, 28): (n, 10)."""
    rows, columns = np.nonzero(frame > INK)
    box = Box(int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1)
    return seen_in(outputs_of(network, Picture(Image.fromarray(frame), *frame.shape), box), network.form)


def fit(arguments: argparse.Namespace) -> int:
    """Fit the weights, and write the file; return the exit status."""
    output: Path = arguments.output or arguments.model
    classifier, network = Classifier(arguments.model), LineNetwork(arguments.lines_model)
    held_out = data.split(data.load(arguments.data, train=True))[1]
    weights = add_opinion(classifier, network, validation_set(held_out, omniglot.load(arguments.others)), output)
    fitted = ", ".join(f"{name} {weight:.3f}" for name, weight in weights._asdict().items())
    print(f"{output}: {fitted}; with {arguments.lines_model}, version {network.version}.")
    return 0


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    p = argparse.ArgumentParser(
        "python -m training.opinion", description="Fit how much the line network's second opinion on a digit counts."
    )
    p.add_argument("--model", type=Path, default=MODEL, metavar="FILE", help="the dense network (models/digits.onnx)")
    meaning = "the line network (models/lines.onnx)"
    p.add_argument("--lines-model", type=Path, default=LINES_MODEL, metavar="FILE", help=meaning)
    p.add_argument("--output", type=Path, metavar="FILE", help="model file to write (that of --model)")
    add_data_options(p)
    arguments = p.parse_args(argv)
    require_file_name(p, arguments.output)
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return exit_status(lambda: fit(parse(argv)))


if __name__ == "__main__":
    sys.exit(main())
