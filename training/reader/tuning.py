"""Tuning the reader: the loss, the loop of an epoch, and validation.

So that the network does not forget what it knew, its answers are held near those from
before (Li & Hoiem 2016, "Learning without forgetting"), and its weights end a share of
the way to the tuned ones (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
models").
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from onnx import ModelProto
from torch import Generator, Tensor, nn

from app.text.ctc import best_path, symbols_of
from training.reader import own_lines
from training.reader.graph import Graph
from training.reader.ink_lines import InkLine, Lines, Text
from training.reader.own_lines import OwnLine
from training.reader.paper import painted_strips
from training.reader.recogniser import BIAS, HEAD, LOGITS
from training.run import Row, Run, checkpoint, learning_rate, make_optimizer, progress
from training.writing.alphabet import OTHER

HELD = 1.0  # weight of the divergence from the original answers, per column
HARDEST = 20.0  # the most that a written line adds to the loss
CHUNK = 8  # batches that are sorted by width together
SEED = 0
VALIDATION_SEED = 10**6


@dataclass(frozen=True)
class Recipe:
    """How many lines are written, how often each is painted, and how the network is
    tuned.

    `share` is how far the exported weights are on the way from the original to the
    tuned ones; `calibration`, how many pictures of each scene of numbers the confidence
    is calibrated on. For `other_pictures` and `other_rows`, see `rows_for_others`.
    """

    lines: int = 12_000
    epochs: int = 2
    batch_size: int = 16
    rate: float = 1e-4
    share: float = 0.5
    calibration: int = 20
    other_pictures: int = 2_000
    other_rows: int = 1_000
    validation_lines: int = 1_000


def setup(
    recipe: Recipe, start: ModelProto, folder: Path, texts: Iterable[Text]
) -> Run:
    """Start a run, or continue the one in the folder.

    In the last layer, only the rows of the blank and of the characters in these texts
    are trained.
    """
    network = Graph(start, LOGITS)
    is_written = torch.zeros(len(network[BIAS]))
    is_written[[0, *chain(*texts)]] = 1
    for name in (HEAD, BIAS):
        network[name].register_hook(is_written.mul)  # type: ignore[no-untyped-call]
    optimizer = make_optimizer(network, weight_decay=0)
    run = Run(recipe, SEED, network, optimizer, folder, first=recipe.epochs - 1)
    return run.continued(checkpoint(folder, torch.device("cpu")))


def batches(
    lines: Lines, size: int, rng: np.random.Generator
) -> Iterator[list[InkLine]]:
    """Yield full batches of lines of similar width, in random order."""
    order = rng.permutation(len(lines))
    for begin in range(0, len(order), CHUNK * size):
        chunk = [lines[k] for k in order[begin : begin + CHUNK * size]]
        chunk.sort(key=lambda line: line.width)
        for place in rng.permutation(len(chunk) // size):
            yield chunk[place * size : (place + 1) * size]


def of_alphabet(log_probabilities: Tensor) -> Tensor:
    """Return the log-probabilities (N, T, C - 1) of the blank and the characters.

    All other rows count as the blank.
    """
    blank = log_probabilities[:, :, :1]
    others = log_probabilities[:, :, OTHER:]
    nothing = torch.cat([blank, others], dim=2).logsumexp(dim=2, keepdim=True)
    return torch.cat([nothing, log_probabilities[:, :, 1:OTHER]], dim=2)


def loss_of(log_probabilities: Tensor, texts: Sequence[Text]) -> Tensor:
    """Compute the CTC loss (N,) of log-probabilities (N, T, C)."""
    columns = torch.full((len(texts),), log_probabilities.shape[1])
    return F.ctc_loss(
        log_probabilities.transpose(0, 1),
        torch.tensor([*chain(*texts)], dtype=torch.int64),
        columns,
        torch.tensor([*map(len, texts)]),
        reduction="none",
        zero_infinity=True,
    )


def objective(
    logits: Tensor, original: Tensor, texts: Sequence[Text], written: int
) -> Tensor:
    """Compute the loss: CTC per symbol, and the divergence of each column from the
    original answers (N, T, R).

    The first lines are written ones, of which some cannot be read.
    """
    now = logits.log_softmax(dim=2)
    before = original.log_softmax(dim=2)
    losses = loss_of(of_alphabet(now), texts)
    total = losses[:written].clamp(max=HARDEST).sum() + losses[written:].sum()
    read = total / sum(len(text) + 1 for text in texts)
    divergence = (before.exp() * (before - now)).sum(dim=2).mean()
    return read + HELD * divergence


def next_epoch(
    run: Run, original: nn.Module, lines: Lines, own: Sequence[OwnLine], held_out: Lines
) -> Row:
    """Train for the run's next epoch, and validate."""
    recipe: Recipe = run.recipe
    rng = np.random.default_rng([run.seed, run.epochs])
    generator = Generator().manual_seed(run.seed * 1000 + run.epochs)
    steps = [*batches(lines, recipe.batch_size, rng)]
    total = 0.0
    shown = progress(steps, f"epoch {run.epochs + 1}")
    for step, batch in enumerate(shown):
        texts = [line.text for line in batch]
        written = painted_strips(batch, generator)
        strips, texts = own_lines.added(written, texts, own, rng)
        with torch.no_grad():
            before = original(strips)
        loss = objective(run.model(strips), before, texts, len(batch))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        completed = (run.epochs + step / len(steps)) / recipe.epochs
        run.step(learning_rate(recipe.rate, completed))
        total += loss.item()
    validation_loss, error = validate(run.model, held_out)
    return {
        "training_loss": total / len(steps),
        "validation_loss": validation_loss,
        "validation_error": error,
    }


@torch.inference_mode()
def validate(network: nn.Module, lines: Lines) -> tuple[float, float]:
    """Compute the mean CTC loss of validation lines, and the share read wrongly.

    They are always painted in the same way.
    """
    generator = Generator().manual_seed(VALIDATION_SEED)
    ordered = sorted(lines, key=lambda line: line.width)
    loss = 0.0
    wrong = 0
    for begin in range(0, len(ordered), 32):
        part = ordered[begin : begin + 32]
        texts = [line.text for line in part]
        logits = network(painted_strips(part, generator))
        columns = of_alphabet(logits.log_softmax(dim=2))
        loss += loss_of(columns, texts).sum().item()
        for row, text in zip(columns.numpy(), texts, strict=True):
            wrong += symbols_of(best_path(row)) != text
    return loss / len(lines), wrong / len(lines)


def mixed(original: Graph, tuned: nn.Module, share: float) -> Graph:
    """Mix the weights: a share of the way from the original to the tuned ones."""
    network = copy.deepcopy(original)
    with torch.no_grad():
        for weight, goal in zip(network.parameters(), tuned.parameters(), strict=True):
            weight.lerp_(goal, share)
    return network
