"""The loss used to fit the weights agrees with the served lattice, and fitting lowers it."""

import numpy as np
import pytest
import torch

from app.inference import lattice
from app.inference.search import LAYOUTS, find
from app.inference.text import classify
from support import MAX_PIXELS
from training import strings, weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def numbers(shuffled) -> list[strings.Number]:
    return [
        strings.number(scene, *shuffled, 0, index, (1, 3))
        for scene in ("spaced", "touching", "two-lines", "character")
        for index in range(6)
    ]


@pytest.fixture(scope="module")
def examples(numbers, classifier) -> list[weights.Example]:
    return [weights.example(number, classifier) for number in numbers]


def served() -> weights.Weights:
    sides = lattice.DIGIT_WEIGHTS, lattice.BLANK_WEIGHTS
    return weights.Weights(*(torch.tensor(list(side.values())) for side in sides))


def test_the_loss_agrees_with_the_lattice(numbers, examples, classifier):
    losses = weights.loss(weights.batch(examples), served()).tolist()
    for number, loss in zip(numbers, losses, strict=True):
        text = [int(digit) for digit in number.text if digit != "\n"]
        these, every = [], []
        for layout in find(number.picture, MAX_PIXELS, LAYOUTS, closely=True).results:
            lines = zip(layout, classify(layout, classifier), strict=True)
            whole = lattice.joined([lattice.lattice_of(line, classes) for line, classes in lines])
            these.append(lattice.log_total(whole, text))
            every.append(lattice.log_total(whole))
        expected = np.logaddexp.reduce(every) - np.logaddexp.reduce(these)
        assert min(loss, 1e3) == pytest.approx(min(expected, 1e3), abs=0.02)


def test_fitting_lowers_the_loss(examples):
    fitted, mean = weights.fit(examples)
    before = weights.loss(weights.batch(examples), served()).clamp(max=weights.MAX_LOSS).mean().item()
    assert mean < before
    assert all(torch.isfinite(side).all() for side in fitted)
