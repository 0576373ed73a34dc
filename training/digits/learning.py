"""Training a network: the loop of an epoch, and validation.

A recipe with convolutions has two stages: a convolutional network is trained, converted
to a dense one, and trained further. The best epoch is one of the dense stage. Each
epoch seeds its own random numbers, so a resumed run repeats what an uninterrupted one
would have done.
"""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from app.digit.classifier import CLASSES
from training.data import NONE, Digits
from training.digits import augment
from training.digits.convolution import ConvolutionalNet, converted, dense_widths
from training.digits.model import DigitNet, logits_of
from training.digits.objective import objective
from training.digits.recipe import Recipe
from training.run import Row, Run, checkpoint, learning_rate, make_optimizer, progress
from training.writing.batch import Random

OTHERS = 0.5  # non-digits per digit


def setup(
    recipe: Recipe,
    seed: int,
    folder: Path,
    on: torch.device,
    begun: DigitNet | None = None,
) -> Run:
    """Continue the run in a folder, or start one, perhaps with an earlier network."""
    saved = checkpoint(folder, on)
    epochs = len(saved.get("history", []))
    torch.manual_seed(seed)
    model: nn.Module
    if epochs <= recipe.convolution_epochs > 0:
        model = ConvolutionalNet(recipe.channels, recipe.hidden, recipe.dropout)
    else:
        widths = dense_widths(recipe.channels, recipe.hidden)
        model = DigitNet(widths, recipe.activation, recipe.dropout)
    if begun:
        model.load_state_dict(begun.state_dict())
    optimizer = make_optimizer(model.to(on), recipe.weight_decay, recipe.optimizer)
    run = Run(recipe, seed, model, optimizer, folder, recipe.convolution_epochs)
    return run.continued(saved)


def train_epoch(run: Run, digits: Digits, others: Tensor) -> tuple[float, float]:
    """Train for an epoch, on every digit once and half as many others (M, 28, 28).

    Returns the mean training loss, and the error rate on the augmented digits. An
    incomplete last batch is dropped, unless it is the only one.
    """
    recipe = run.recipe
    place = digits.images.device
    seed = run.seed * 100_000 + run.epochs
    torch.manual_seed(seed)  # dropout draws from the global generator
    generator = torch.Generator(place).manual_seed(seed)
    order = torch.randperm(len(digits), generator=generator, device=place)
    count = max(1, len(digits) // recipe.batch_size)
    batches = torch.split(order, recipe.batch_size)[:count]
    run.model.train()
    is_begun = recipe.channels or recipe.from_
    if is_begun and isinstance(run.model, DigitNet):
        # The channels': those of a batch are noisy for a unit, which is one position.
        run.model.keep_statistics()
    total = torch.zeros((), device=place)
    wrong = torch.zeros((), device=place)
    shown = progress(batches, f"epoch {run.epochs + 1}")
    for step, index in enumerate(shown):
        images, labels = mixed(digits.take(index), others, generator, recipe.augment)
        is_short = recipe.precision == "bf16"
        with torch.autocast(place.type, torch.bfloat16, enabled=is_short):
            logits = run.model(images)
        loss = objective(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        run.step(learning_rate(*recipe.stage(run.epochs + step / len(batches))))
        total += loss.detach()
        wrong += is_wrong(logits, labels).sum()
    return total.item() / len(batches), wrong.item() / sum(map(len, batches))


def mixed(
    digits: Digits, others: Tensor, generator: torch.Generator, is_augmented: bool
) -> tuple[Tensor, Tensor]:
    """Add some of the others to a batch of digits, and perhaps augment both.

    Returns images (N, 28, 28) float32 in [0, 1] and labels (N,).
    """
    count = round(OTHERS * len(digits)) if len(others) else 0
    index = Random(count, generator).integers(0, len(others) or 1)
    batch = digits.with_others(others[index])
    images = batch.images.float() / 255
    if is_augmented:
        first, rest = images.tensor_split([len(digits)])
        first = augment.augment(first, digits.labels, generator)
        if count:
            rest = augment.augment_others(rest, generator)
        images = torch.cat([first, rest])
    return images, batch.labels


def is_wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """Return whether each digit is misread; other frames are not."""
    return (labels != NONE) & (logits[:, :CLASSES].argmax(dim=1) != labels)


def validate(model: nn.Module, frames: Digits) -> tuple[float, float]:
    """Compute the loss on frames, and the error rate on the digits among them."""
    logits = logits_of(model, frames.images)
    error = is_wrong(logits, frames.labels).sum() / (frames.labels != NONE).sum()
    return objective(logits, frames.labels).item(), error.item()


def next_epoch(run: Run, training: Digits, others: Tensor, validation: Digits) -> Row:
    """Train for an epoch, and validate; if the dense stage begins, convert first."""
    recipe = run.recipe
    if run.epochs == recipe.convolution_epochs > 0:
        assert isinstance(run.model, ConvolutionalNet)
        run.model = converted(run.model, recipe.dropout)
        run.optimizer = make_optimizer(run.model, recipe.weight_decay, recipe.optimizer)
    loss, error = train_epoch(run, training, others)
    validation_loss, validation_error = validate(run.model, validation)
    return {
        "training_loss": loss,
        "training_error": error,
        "validation_loss": validation_loss,
        "validation_error": validation_error,
    }


def best_network(run: Run) -> DigitNet:
    """Return a copy of the run's dense network, as it was in its best epoch."""
    model = copy.deepcopy(run.model)
    assert isinstance(model, DigitNet)
    model.load_state_dict(run.best)
    return model
