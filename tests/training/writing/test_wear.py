"""Effects on a digit's ink: direction, range, and the share of images."""

import pytest
import torch

from tensors import generator
from training.writing import wear
from training.writing.batch import Random


@pytest.fixture
def images(digits):
    return torch.from_numpy(digits).float() / 255


def worn(images, effect):
    return effect(images, Random(len(images), generator()))


@pytest.mark.parametrize("effect", [effect for effect, _ in wear.EFFECTS])
def test_each_effect_changes_images_within_their_range_and_the_same_way_again(
    effect, images
):
    before = images.clone()
    after = worn(images, effect)
    assert after.shape == images.shape
    assert -1e-6 <= after.min() <= after.max() <= 1 + 1e-6
    assert (after != images).flatten(1).any(dim=1).float().mean() > 0.5
    assert after.equal(worn(images, effect))
    assert images.equal(before)
