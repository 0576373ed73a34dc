"""The loss, on batches that a person can compute."""

import math

import pytest
import torch

from training.objective import DOUBT, LEGIBILITY, NONE, objective

LN2, LN10 = math.log(2), math.log(10)


def logits(*rows: dict[int, float]) -> torch.Tensor:
    """(N, 11) zeros but for what is given."""
    out = torch.zeros(len(rows), 11)
    for row, values in zip(out, rows, strict=True):
        for index, value in values.items():
            row[index] = value
    return out


def loss(out: torch.Tensor, *labels: int) -> float:
    return objective(out, torch.tensor(labels)).item()


def test_who_knows_nothing_loses_what_a_guess_costs():
    assert loss(logits({}, {}), 3, 4) == pytest.approx(LN10 + LEGIBILITY * LN2)
    assert loss(logits({}, {}), NONE, NONE) == pytest.approx(LEGIBILITY * LN2)
    assert loss(logits({}, {}), 3, NONE) == pytest.approx(LN10 + LEGIBILITY * LN2)


def test_who_is_right_loses_nothing():
    assert loss(logits({3: 50, 10: 50}, {10: -50}), 3, NONE) == pytest.approx(0, abs=1e-5)


def test_a_wrong_digit_costs_its_cross_entropy_on_average_over_the_digits():
    out = logits({3: 20, 10: 50}, {4: 20, 10: 50}, {10: -50}, {10: -50})
    assert loss(out, 3, 3, NONE, NONE) == pytest.approx(20 / 2, rel=1e-5)


def test_a_digit_taken_for_none_costs_and_so_does_the_reverse():
    assert loss(logits({3: 50, 10: -8}), 3) == pytest.approx(LEGIBILITY * 8, rel=1e-3)
    assert loss(logits({10: 8}), NONE) == pytest.approx(LEGIBILITY * 8, rel=1e-3)


def test_being_certain_which_digit_it_is_of_what_is_none_costs():
    certain = 20 * 9 / 10 - LN10  # cross-entropy from uniform: log(e^20 + 9) - 20 / 10, less what uniform has
    assert loss(logits({3: 20, 10: -50}), NONE) == pytest.approx(DOUBT * certain, rel=1e-4)


@pytest.mark.parametrize("labels", [[3, 4], [NONE, NONE], [3, NONE]], ids=["digits", "others", "both"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_batch_has_a_finite_loss_and_gradient(labels, dtype):
    out = torch.randn(2, 11, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    value = objective(out, torch.tensor(labels))
    value.backward()
    assert value.isfinite()
    assert out.grad.isfinite().all()
    assert out.grad.any()
