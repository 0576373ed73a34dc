"""Fit how the dense network's opinion and the line network's become one, and keep that in the dense network's file."""

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
from app.inference.opinion import FLOOR, METADATA, Weights, digit_probabilities
from app.inference.reading import SURE
from app.preprocess.decode import Picture
from app.preprocess.maps import Box
from app.preprocess.strips import strips_of_digit
from training.calibrate import best_weights, legibility_loss, shares_of
from training.data import Digits
from training.objective import NONE

MOST = 6_000  # frames, which take 2 ms each
INK = 40  # levels of a frame from which a pixel is within its box


def add(file: Path, lines: Path, frames: Digits) -> Weights:
    """Fit the weights and write them into the metadata of a dense network's file.

    Parameters
    ----------
    file : Path
        The dense network's file.
    lines : Path
        The line network's.
    frames : Digits
        Held-out digits and non-digits.
    """
    weights = fitted(Classifier(file), LineNetwork(lines), frames.to(torch.device("cpu")))
    model = onnx.load(file)
    model.metadata_props.add(key=METADATA, value=" ".join(f"{weight:.3f}" for weight in weights))
    onnx.save_model(model, file)
    return weights


def fitted(classifier: Classifier, network: LineNetwork, frames: Digits) -> Weights:
    """Find the weights with the least cross-entropy, on frames of which the dense network is not sure."""
    pixels, labels = frames.images.numpy(), frames.labels
    probabilities, legibility = map(torch.from_numpy, classifier(np.divide(pixels, 255, dtype=np.float32)))
    is_sure = (probabilities.amax(dim=1) >= SURE) & (legibility >= SURE)
    chosen = (~is_sure).nonzero()[:, 0]
    chosen = chosen[:: -(-len(chosen) // MOST)]
    shares, is_digit = shares_of(labels != NONE)[chosen], (labels != NONE)[chosen]
    seen = torch.from_numpy(np.stack([seen_in(frame, network) for frame in pixels[chosen]]))  # (N, n, 10)
    likely, which_one = probabilities[chosen].double().clamp(min=1e-9).log(), (seen + FLOOR).log().mean(dim=1)
    legible = legibility[chosen].double().logit(eps=CERTAIN)
    is_one = (seen.sum(dim=2) + FLOOR).log().mean(dim=1)

    def loss(weights: Tensor) -> Tensor:
        digit, scale, offset, seen = weights
        wrong = F.cross_entropy((likely + digit * which_one)[is_digit], labels[chosen][is_digit])
        return wrong + legibility_loss(scale * legible + offset + seen * is_one, is_digit, shares)

    return Weights(*best_weights(loss, 0, 1, 0, 0))


def seen_in(frame: NDArray[np.uint8], network: LineNetwork) -> NDArray[np.float64]:
    """Return the line network's probability of each digit in the strips of a frame (28, 28): (n, 10)."""
    rows, columns = np.nonzero(frame > INK)
    box = Box(int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1)
    picture = Picture(Image.fromarray(frame), *frame.shape)
    return np.stack([digit_probabilities(network(strip.pixels)) for strip in strips_of_digit(picture, box)])
