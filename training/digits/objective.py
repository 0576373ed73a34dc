"""The training loss: which digit a frame shows, and whether it shows one at all."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from app.digit.classifier import CLASSES
from training.data import NONE

LEGIBILITY = 0.5  # weight of the legibility's loss
DOUBT = 0.1  # weight of the loss that makes digit probabilities uniform on non-digits


def objective(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute the loss, a weighted sum of three terms.

    They are the cross-entropy of the ten logits on digits, the binary cross-entropy of
    the legibility on all frames, and, on non-digits, the Kullback-Leibler divergence of
    the ten probabilities from uniform (the entropic open-set loss of Dhamija et al.
    2018).

    Parameters
    ----------
    logits : Tensor
        (N, 11), see `training.digits.model`.
    labels : Tensor
        (N,) the digits, or NONE.

    Returns
    -------
    Tensor
        () the loss; each term is a mean over its frames.
    """
    is_digit = labels != NONE
    is_other = ~is_digit
    digits = logits[:, :CLASSES].float()
    legibility = logits[:, CLASSES].float()
    uniform = torch.full((CLASSES,), 1 / CLASSES, device=logits.device)
    uniform = uniform.expand(int(is_other.sum()), -1)
    wrong = F.cross_entropy(digits[is_digit], labels[is_digit], reduction="sum")
    wrong = wrong / is_digit.sum().clamp(min=1)
    confused = F.binary_cross_entropy_with_logits(legibility, is_digit.float())
    certain = F.cross_entropy(digits[is_other], uniform, reduction="sum")
    certain = certain / is_other.sum().clamp(min=1) - math.log(CLASSES) * is_other.any()
    return wrong + LEGIBILITY * confused + DOUBT * certain
