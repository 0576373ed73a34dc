"""Calibration finds the scale and offset of logits, and changes no predicted digit."""

import math

import pytest
import torch
import torch.nn.functional as F

from tensors import as_digits, trained
from training.calibrate import DIGIT_SHARE, best_line, best_temperature, calibrated
from training.digits.model import Ensemble


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.6])
def test_the_temperature_inverts_a_known_scale(scale):
    torch.manual_seed(0)
    logits = torch.randn(20_000, 10) * 2
    # So that the logits are calibrated.
    labels = torch.distributions.Categorical(logits=logits).sample()
    temperature = best_temperature(
        lambda t: F.cross_entropy(logits * scale / t, labels).item()
    )
    assert temperature == pytest.approx(scale, abs=0.03)


def test_the_line_inverts_a_known_scale_and_offset():
    torch.manual_seed(0)
    logits = torch.randn(50_000) * 3
    truths = torch.rand(50_000) < logits.sigmoid()  # half of them are true
    scale, offset = best_line(logits / 2 - 1, truths)
    assert scale == pytest.approx(2, abs=0.06)
    odds = DIGIT_SHARE / (1 - DIGIT_SHARE)
    assert offset - math.log(odds) == pytest.approx(2, abs=0.08)


def test_calibration_changes_the_confidence_but_not_the_digit(digits, labels):
    model = Ensemble([trained(), trained()])
    sample = as_digits(digits, labels)
    frames = sample.with_others(sample.images[:100].flip(1))
    with torch.no_grad():
        for network in model.networks:
            network.output.weight *= 10
    weight = model.networks[1].output.weight.clone()
    scaled, (temperature, scale, offset) = calibrated(model, sample, frames)
    assert temperature != 1
    assert model.networks[1].output.weight.equal(weight)
    # In float32, the scale of -49 would multiply rounding errors.
    images = sample.images.double() / 255
    before = model.double()(images)
    before[:, :10] /= temperature
    before[:, 10] = before[:, 10] * scale + offset
    torch.testing.assert_close(scaled.double()(images), before, atol=1e-5, rtol=0)
