"""Calibrate the outputs, so that confidence matches accuracy.

Temperature scaling calibrates the logits of the digits (Guo et al. 2017, "On calibration of modern neural networks").
Platt scaling, a scale and an offset, calibrates the legibility (Platt 1999). Neither changes the predicted digit. How
much the line network's second opinion counts is fitted too. The frames to fit on must be held out from training.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import minimize, minimize_scalar
from torch import Tensor

from app.inference.classifier import CERTAIN, CLASSES, Classifier
from app.inference.lines import LineNetwork
from app.inference.opinion import FLOOR, METADATA, Weights, digit_probabilities
from app.inference.reading import SURE
from app.preprocess.decode import Picture
from app.preprocess.maps import Box
from app.preprocess.strips import strips_of_digit
from training.data import Digits
from training.model import Ensemble
from training.objective import NONE

MOST = 6_000  # frames, which take 2 ms each
INK = 40  # levels of a frame from which a pixel is within its box
DIGITS = 0.9  # assumed share of requests that show a digit; the legibility is calibrated for it


class Calibration(NamedTuple):
    """The temperature of the digits' logits, and the scale and offset of the legibility's."""

    temperature: float
    scale: float
    offset: float

    def __str__(self) -> str:
        return f"temperature {self.temperature:.2f}; legibility × {self.scale:.2f}, {self.offset:+.2f}"


def best_temperature(loss: Callable[[float], float]) -> float:
    """Find the temperature, to 0.01, with the lowest loss."""
    return round(float(minimize_scalar(loss, bounds=(0.5, 2)).x), 2)


def best_weights(loss: Callable[[Tensor], Tensor], *start: float) -> list[float]:
    """Find the weights (n,) float64 with the lowest loss, from a start."""
    weights: list[float] = minimize(lambda weights: loss(torch.from_numpy(weights)).item(), start).x.tolist()
    return weights


def legibility_loss(logits: Tensor, truths: Tensor, shares: Tensor) -> Tensor:
    """Compute the cross-entropy of logits (N,) and truths (N,) bool, weighted by their shares of requests (N,)."""
    return F.binary_cross_entropy_with_logits(logits, truths.double(), shares, reduction="sum")


def shares_of(truths: Tensor) -> Tensor:
    """Return the share of requests (N,) that each frame stands for: together, those with a digit are DIGITS."""
    return torch.where(truths, DIGITS / truths.sum(), (1 - DIGITS) / (~truths).sum()).double()


def best_line(logits: Tensor, truths: Tensor) -> tuple[float, float]:
    """Find the scale and offset that minimise the cross-entropy of logits (N,) and truths (N,) bool."""
    shares, logits = shares_of(truths), logits.double()
    scale, offset = best_weights(lambda line: legibility_loss(line[0] * logits + line[1], truths, shares), 1, 0)
    return scale, offset


@torch.no_grad()
def calibrated(model: Ensemble, digits: Digits, frames: Digits) -> tuple[Ensemble, Calibration]:
    """Return a copy of the networks with calibrated output layers, and the calibration of their mean.

    Parameters
    ----------
    model : Ensemble
        The trained networks.
    digits : Digits
        Held-out digits, to calibrate the ten probabilities.
    frames : Digits
        Held-out digits and non-digits, to calibrate the legibility.
    """
    model = copy.deepcopy(model).eval()
    logits = model(digits.images.float() / 255)[:, :CLASSES]
    temperature = best_temperature(lambda temperature: F.cross_entropy(logits / temperature, digits.labels).item())
    legibility = torch.cat([model(part.float() / 255)[:, CLASSES] for part in torch.split(frames.images, 5_000)])
    is_digit = frames.labels.cpu() != NONE  # on the CPU, since Apple's MPS has no float64
    scale, offset = (1.0, 0.0) if is_digit.all() else best_line(legibility.cpu(), is_digit)
    for network in model.networks:
        weight, bias = network.output.weight, network.output.bias
        weight[:CLASSES] /= temperature
        bias[:CLASSES] /= temperature
        weight[CLASSES] *= scale
        bias[CLASSES] = bias[CLASSES] * scale + offset
    return model, Calibration(temperature, scale, offset)


def add_opinion(file: Path, lines: Path, frames: Digits) -> Weights:
    """Fit how the opinions of both networks become one, and write the weights into the dense network's metadata.

    Parameters
    ----------
    file : Path
        The dense network's file.
    lines : Path
        The line network's.
    frames : Digits
        Held-out digits and non-digits.
    """
    weights = opinion_weights(Classifier(file), LineNetwork(lines), frames.to(torch.device("cpu")))
    model = onnx.load(file)
    model.metadata_props.add(key=METADATA, value=" ".join(f"{weight:.3f}" for weight in weights))
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
    strips = strips_of_digit(picture, box, network.form.height)
    outputs = [network.form.only(network(strip.pixels), None) for strip in strips]
    return np.stack([digit_probabilities(output, network.form) for output in outputs])
