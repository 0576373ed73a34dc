"""The validation set: held-out digits, unchanged and augmented, and non-digits."""

from pathlib import Path

import torch

from training import augment
from training.data import Digits
from training.generated import cut_out_and_others
from training.omniglot import Characters, split

VALIDATION_SEED = 10**6


def validation_set(
    digits: Digits, characters: Characters | None, folder: Path | None = None
) -> Digits:
    """Build the validation set from held-out digits and characters.

    Parameters
    ----------
    digits : Digits
        Held-out digits, in the order of MNIST's files.
    characters : Characters, optional
        All of Omniglot's, of which those are used that are not trained on; None for a
        set of the digits alone.
    folder : Path, optional
        Where digits cut out of numbers, and non-digits, are kept.
    """
    generator = torch.Generator(digits.images.device).manual_seed(VALIDATION_SEED)
    deformed = augment.augment(digits.images.float() / 255, digits.labels, generator)
    images = torch.cat([digits.images, (255 * deformed).round().byte()])
    frames = Digits(images, digits.labels.repeat(2))
    if characters is None:
        return frames
    _, unseen = split(characters)
    cut_out, others = cut_out_and_others(digits, VALIDATION_SEED, unseen, folder)
    return frames.joined(cut_out).with_others(others)
