"""The loss, on batches small enough to compute by hand."""

import math

import pytest
import torch

from tensors import generator
from training.objective import DOUBT, LEGIBILITY, NONE, objective

LN2, LN10 = math.log(2), math.log(10)


def logits(*rows: dict[int, float]) -> torch.Tensor:
    """Make logits (N, 11), zero except for the given ones."""
    out = torch.zeros(len(rows), 11)
    for row, values in zip(out, rows, strict=True):
        for index, value in values.items():
            row[index] = value
    return out


def loss(out: torch.Tensor, *labels: int) -> float:
    return objective(out, torch.tensor(labels)).item()


def test_zero_logits_have_the_loss_of_a_guess():
    assert loss(logits({}, {}), 3, 4) == pytest.approx(LN10 + LEGIBILITY * LN2)
    assert loss(logits({}, {}), NONE, NONE) == pytest.approx(LEGIBILITY * LN2)
    assert loss(logits({}, {}), 3, NONE) == pytest.approx(LN10 + LEGIBILITY * LN2)


def test_a_confident_correct_answer_has_no_loss():
    assert loss(logits({3: 50, 10: 50}, {10: -50}), 3, NONE) == pytest.approx(0, abs=1e-5)


def test_a_wrong_digit_adds_its_cross_entropy_averaged_over_the_digits():
    out = logits({3: 20, 10: 50}, {4: 20, 10: 50}, {10: -50}, {10: -50})
    assert loss(out, 3, 3, NONE, NONE) == pytest.approx(20 / 2, rel=1e-5)


def test_confusing_digits_and_non_digits_is_penalised_in_both_directions():
    assert loss(logits({3: 50, 10: -8}), 3) == pytest.approx(LEGIBILITY * 8, rel=1e-3)
    assert loss(logits({10: 8}), NONE) == pytest.approx(LEGIBILITY * 8, rel=1e-3)


def test_confident_digits_on_non_digits_are_penalised():
    certain = 20 * 9 / 10 - LN10  # cross-entropy from uniform: log(e^20 + 9) - 20 / 10, minus the entropy of uniform
    assert loss(logits({3: 20, 10: -50}), NONE) == pytest.approx(DOUBT * certain, rel=1e-4)


@pytest.mark.parametrize("labels", [[3, 4], [NONE, NONE], [3, NONE]], ids=["digits", "others", "both"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_batch_has_a_finite_loss_and_gradient(labels, dtype):
    out = torch.randn(2, 11, generator=generator()).to(dtype).requires_grad_()
    value = objective(out, torch.tensor(labels))
    value.backward()
    assert value.isfinite()
    assert out.grad.isfinite().all()
    assert out.grad.any()
