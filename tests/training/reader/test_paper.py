"""Painted lines: the ink stays visible, and strips are normalised and padded as in the
service.
"""

import numpy as np
import pytest
import torch

from app.text.line_network import normalised as served
from pictures import encode, number, picture_from_bytes
from tensors import as_digits, generator
from training.reader.ink_lines import ROWS, ink_lines
from training.reader.paper import WIDTH_STEP, batch_of, normalised, padded, painted
from training.reader.recogniser import LEAST_CONTRAST, PADDING, STRIP_HEIGHT
from training.writing.drawing import levels


@pytest.fixture(scope="module")
def lines(shuffled):
    digits = as_digits(*shuffled).take(np.arange(100))
    return [line for line in ink_lines(digits, [], 200, seed=0) if line.symbols]


@pytest.mark.slow
def test_a_batch_has_one_width_and_all_ink(lines):
    masks = batch_of(lines, generator())
    assert masks.shape[1] == ROWS
    assert masks.shape[2] % WIDTH_STEP == 0
    assert masks.shape[2] - max(line.width for line in lines) < WIDTH_STEP
    for mask, line in zip(masks, lines, strict=True):
        assert round(255 * mask.double().sum().item()) == line.mask.sum(dtype=int)


def as_served(pixels: np.ndarray) -> np.ndarray:
    strip = served(pixels, LEAST_CONTRAST)
    return np.pad(strip, ((0, 0), (0, -strip.shape[1] % PADDING)))


def test_strips_are_normalised_and_padded_as_in_the_service(digits):
    drawn = encode(number(digits[[350, 120, 60]]))
    picture = picture_from_bytes(drawn, 200).image.convert("L")
    written = np.asarray(picture.resize((200, STRIP_HEIGHT)))
    faint = 250 - written // 64
    light_on_dark = 255 - written
    for pixels in (written, faint, light_on_dark, np.full_like(written, 200)):
        grey = torch.from_numpy(levels(pixels))
        (ours,) = padded(normalised(grey[None]))
        assert ours.shape == (STRIP_HEIGHT, 2 * PADDING)
        np.testing.assert_allclose(ours, as_served(pixels), atol=1e-5)


@pytest.mark.slow
def test_ink_differs_from_the_paper_around_it(lines):
    masks = batch_of(lines, generator())
    grey = painted(masks, generator(1))
    assert grey.shape == masks.shape
    strips = normalised(grey)
    contrasts = []
    for strip, mask in zip(strips, masks, strict=True):
        inked = strip[mask > 0.9]
        if len(inked) > 20:
            contrasts.append((inked.mean() - strip[mask == 0].mean()).item())
    assert np.median(np.abs(contrasts)) > 0.4
    assert 0.1 < np.mean(np.array(contrasts) > 0) < 0.5  # some are light on dark
    assert grey.equal(painted(masks, generator(1)))
    assert (strips - normalised(painted(masks, generator(2)))).abs().mean() > 0.05
