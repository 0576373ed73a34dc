"""Painted lines: the ink stays visible, and strips are normalised as in the service."""

import numpy as np
import pytest
import torch

from app.inference.lines import MIN_SPREAD
from tensors import as_digits, generator
from training.line_ink import ink_lines
from training.line_paper import WIDTH_STEP, batch_of, normalised, painted


@pytest.fixture(scope="module")
def lines(shuffled):
    digits = as_digits(*shuffled).take(np.arange(100))
    return [line for line in ink_lines(digits, [], 64, seed=0) if line.symbols]


def test_a_batch_has_one_width_and_all_ink(lines):
    masks = batch_of(lines, generator())
    assert masks.shape[2] % WIDTH_STEP == 0
    assert masks.shape[2] - max(line.mask.shape[1] for line in lines) < WIDTH_STEP
    for mask, line in zip(masks, lines, strict=True):
        assert round(255 * mask.double().sum().item()) == line.mask.sum(dtype=int)


def test_strips_are_normalised_as_in_the_service():
    pixels = np.random.default_rng(0).integers(90, 140, (32, 50), np.uint8)
    served = (np.float32(pixels) - pixels.mean()) / (pixels.std() + MIN_SPREAD)
    ours = normalised(torch.from_numpy(np.float32(pixels) / 255)[None])[0]
    assert ours.numpy() == pytest.approx(served, abs=1e-4)
    assert normalised(torch.full((1, 32, 48), 0.8)).abs().max() < 1e-3


def test_ink_differs_from_the_paper_around_it(lines):
    masks = batch_of(lines, generator())
    strips = painted(masks, generator(1))
    assert strips.shape == masks.shape
    assert strips.mean(dim=(1, 2)).abs().max() < 1e-3
    inked = [(strip, mask) for strip, mask in zip(strips, masks, strict=True) if (mask > 0.9).sum() > 20]
    contrasts = np.array([(strip[mask > 0.9].mean() - strip[mask == 0].mean()).item() for strip, mask in inked])
    assert np.median(abs(contrasts)) > 1
    assert 0.1 < (contrasts > 0).mean() < 0.5  # some are light on dark
    assert strips.equal(painted(masks, generator(1)))
    assert (strips - painted(masks, generator(2))).abs().mean() > 0.1
