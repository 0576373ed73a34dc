"""The examples to train on, and the validation set.

The validation set holds held-out digits, unchanged and augmented once, digits cut out
of numbers, and non-digits.
"""

from pathlib import Path

import torch
from torch import Tensor

from training import omniglot
from training.data import NOTHING, Digits
from training.digits.augment import augment
from training.generated import cut_out_and_others
from training.omniglot import Characters

SEED = 0
VALIDATION_SEED = 10**6


def prepared(
    digits: Digits,
    held_out: Digits,
    characters: Characters | None,
    folder: Path | None = None,
) -> tuple[Digits, Tensor, Digits]:
    """Make digits and others (M, 28, 28) uint8 to train on, and the validation set.

    Parameters
    ----------
    digits, held_out : Digits
        Digits to train on and to validate with, in the order of MNIST's files.
    characters : Characters, optional
        Omniglot's; None if digits are all that there is to be.
    folder : Path, optional
        Where digits cut out of numbers, and non-digits, are kept.
    """
    place = held_out.images.device
    generator = torch.Generator(place).manual_seed(VALIDATION_SEED)
    deformed = augment(held_out.images.float() / 255, held_out.labels, generator)
    augmented = Digits((255 * deformed).round().byte(), held_out.labels)
    validation = held_out.joined(augmented)
    if characters is None:
        return digits, NOTHING.to(place).images, validation
    learned, unseen = omniglot.split(characters)
    cut_out, others = cut_out_and_others(digits, SEED, learned, folder)
    more, strangers = cut_out_and_others(held_out, VALIDATION_SEED, unseen, folder)
    validation = validation.joined(more).with_others(strangers)
    return digits.joined(cut_out), others, validation
