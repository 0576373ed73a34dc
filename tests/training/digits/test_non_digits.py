"""Non-digits: reproducible from the seed, and told from digits by the network."""

from functools import partial

import numpy as np
import pytest

from tensors import as_digits
from training.data import Digits
from training.digits.non_digits import KINDS, non_digits
from training.writing.characters import look_alike

pytestmark = pytest.mark.slow
SIGNS = ((partial(look_alike, kinds="$$#"), 1.0),)


@pytest.fixture(scope="module")
def real(digits, labels) -> Digits:
    return as_digits(digits, labels)


@pytest.mark.parametrize(
    "kind", [kind for kind, _ in KINDS], ids=lambda kind: kind.__name__
)
def test_every_kind_gives_frames_with_ink(real, kind):
    frames = non_digits(real, 20, seed=0, kinds=((kind, 1.0),))
    assert (frames.shape, frames.dtype) == ((20, 28, 28), np.uint8)
    assert (frames.max(axis=(1, 2)) == 255).all()
    assert (frames > 50).sum(axis=(1, 2)).min() > 10
    assert len(np.unique(frames, axis=0)) == 20


@pytest.mark.parametrize(("kinds", "most"), [(KINDS, 0.2), (SIGNS, 0.05)])
def test_the_network_tells_non_digits_from_digits(real, kinds, most, classifier):
    frames = non_digits(real, 500, seed=7, kinds=kinds) / np.float32(255)
    assert (classifier(frames).legibility > 0.5).mean() < most
