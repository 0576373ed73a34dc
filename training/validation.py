"""The validation set: held-out digits, unchanged and augmented once, digits cut out of
numbers, and non-digits.
"""

import torch

from training import augment
from training.data import Digits
from training.generated import cut_out_and_others
from training.omniglot import Characters, split

VALIDATION_SEED = 10**6


def validation_set(digits: Digits, characters: Characters | None) -> Digits:
    """Build the validation set from held-out digits and the characters that are not
    trained on.

    Parameters
    ----------
    digits : Digits
        Held-out digits, in the order of MNIST's files.
    characters : Characters, optional
        All of Omniglot's; None for a set of the digits alone.
    """
    generator = torch.Generator(digits.images.device).manual_seed(VALIDATION_SEED)
    deformed = augment.augment(digits.images.float() / 255, digits.labels, generator)
    images = torch.cat([digits.images, (255 * deformed).round().byte()])
    frames = Digits(images, digits.labels.repeat(2))
    if characters is None:
        return frames
    cut_out, others = cut_out_and_others(digits, VALIDATION_SEED, split(characters)[1])
    return frames.joined(cut_out).with_others(others)
