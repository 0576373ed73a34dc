"""The loss, on batches small enough to compute by hand."""

import math

import pytest
import torch

from training.data import NONE
from training.digits.objective import DOUBT, LEGIBILITY, objective

LN2 = math.log(2)
LN10 = math.log(10)
# Cross-entropy of a 20 from uniform: log(e^20 + 9) - 20 / 10, minus that of uniform.
CERTAIN = 20 * 9 / 10 - LN10


@pytest.mark.parametrize(
    ("logits", "labels", "loss"),
    [
        # a guess
        ([{}, {}], [3, 4], LN10 + LEGIBILITY * LN2),
        ([{}, {}], [NONE, NONE], LEGIBILITY * LN2),
        ([{}, {}], [3, NONE], LN10 + LEGIBILITY * LN2),
        # a confident correct answer
        ([{3: 50, 10: 50}, {10: -50}], [3, NONE], 0),
        # a wrong digit adds its cross-entropy, averaged over the digits
        (
            [{3: 20, 10: 50}, {4: 20, 10: 50}, {10: -50}, {10: -50}],
            [3, 3, NONE, NONE],
            20 / 2,
        ),
        # digits and non-digits are confused, in both directions
        ([{3: 50, 10: -8}], [3], LEGIBILITY * 8),
        ([{10: 8}], [NONE], LEGIBILITY * 8),
        # a confident digit on a non-digit
        ([{3: 20, 10: -50}], [NONE], DOUBT * CERTAIN),
    ],
)
def test_the_loss_is_that_computed_by_hand(logits, labels, loss):
    out = torch.tensor([[float(row.get(k, 0)) for k in range(11)] for row in logits])
    assert objective(out, torch.tensor(labels)).item() == pytest.approx(
        loss, rel=1e-3, abs=1e-5
    )
