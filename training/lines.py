"""Train the line network on lines written with MNIST's training digits, and write its model file.

    python -m training.lines                    the recipe `best`: up to 90 minutes on two cores
    python -m training.lines --recipe quick     up to 5 minutes

The lines of ink are written once and cached; paper, light and pens are painted anew in every epoch. The epoch with the
lowest loss on lines of validation digits is exported.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from tqdm import tqdm

from app.inference.ctc import best_path, symbols_of
from training import data, line_pictures, omniglot
from training.calibrate import best_temperature
from training.config import COUNT, LINES_MODEL, add_run_options
from training.device import faster_precision
from training.errors import exit_status, until_interrupted
from training.export import export_lines
from training.generated import lines_of
from training.line_ink import InkLine
from training.line_net import LineNet
from training.line_paper import batch_of, painted
from training.line_pictures import OwnLine
from training.run import Row, Run, checkpoint, fit, learning_rate, make_optimizer, new_folder, options_in, run_to_resume

RUNS = Path("runs/lines")
PEAK_LEARNING_RATE, WEIGHT_DECAY = 3e-3, 0.02
SHORT_STEPS = 350  # at most, and a tenth of the epoch
CHUNK = 8  # batches that are sorted by width together
SHORT = 2  # symbols: only such lines are used in the first steps, until the network tells symbols from blanks
VALIDATION_LINES, SEED, VALIDATION_SEED = 3_000, 0, 10**6
Outputs = list[tuple[Tensor, list[tuple[int, ...]]]]  # for each batch, logits (N, T, C) and what the lines say


@dataclass(frozen=True)
class Recipe:
    """A recipe: how many lines are written, how often each is painted, and how the network is trained."""

    lines: int = 96_000
    epochs: int = 18
    batch_size: int = 64


RECIPES = {"best": Recipe(), "quick": Recipe(lines=16_000, epochs=2)}


def setup(recipe: Recipe, folder: Path) -> Run:
    """Start a run, or continue the one in the folder."""
    torch.manual_seed(SEED)
    network = LineNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = Run(recipe, SEED, network, make_optimizer(network, WEIGHT_DECAY), folder)
    saved = checkpoint(folder, torch.device("cpu"))
    return run.restore(saved) if saved else run


def batches(lines: Sequence[InkLine], size: int, rng: np.random.Generator) -> Iterator[list[InkLine]]:
    """Yield the lines in batches of similar width, in random order; an incomplete last batch is dropped."""
    order = rng.permutation(len(lines))
    for begin in range(0, len(order), CHUNK * size):
        chunk = sorted((lines[k] for k in order[begin : begin + CHUNK * size]), key=lambda line: line.mask.shape[1])
        for place in rng.permutation(len(chunk) // size):
            yield chunk[place * size : (place + 1) * size]


def loss_of(logits: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
    """Compute the CTC loss (N,) of logits (N, T, C): minus the log-probability of each text."""
    log_probabilities = logits.float().log_softmax(dim=2).transpose(0, 1)  # (T, N, C)
    lengths = torch.tensor([len(text) for text in texts])
    targets = torch.tensor([symbol for text in texts for symbol in text])
    columns = torch.full((len(texts),), len(log_probabilities))
    return F.ctc_loss(log_probabilities, targets, columns, lengths, reduction="none", zero_infinity=True)


def train_epoch(run: Run, lines: Sequence[InkLine], own: Sequence[OwnLine], is_bf16: bool) -> float:
    """Train for the run's next epoch; return its mean loss per symbol."""
    recipe: Recipe = run.config
    rng = np.random.default_rng([run.seed, run.epochs])
    generator = Generator().manual_seed(run.seed * 1000 + run.epochs)
    count, total = len(lines) // recipe.batch_size, 0.0
    short = [line for line in lines if len(line.symbols) <= SHORT] if not run.epochs else []
    first = [*batches(short, recipe.batch_size, rng)][: min(SHORT_STEPS, count // 10)]
    run.model.train()
    steps = [*first, *batches(lines, recipe.batch_size, rng)][:count]
    for step, batch in enumerate(tqdm(steps, f"epoch {run.epochs + 1}", leave=False, disable=None)):
        strips = painted(batch_of(batch, generator), generator)
        strips, texts = line_pictures.added(strips, [line.symbols for line in batch], own, rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            logits = run.model(strips)
        loss = loss_of(logits, texts).sum() / sum(len(text) + 1 for text in texts)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        run.step(learning_rate(PEAK_LEARNING_RATE, (run.epochs + step / count) / recipe.epochs))
        total += loss.item()
    return total / count


@torch.inference_mode()
def outputs(network: nn.Module, lines: Sequence[InkLine]) -> Outputs:
    """Paint validation lines, always in the same way, and compute the network's logits."""
    network.eval()
    generator = Generator().manual_seed(VALIDATION_SEED)
    ordered = sorted(lines, key=lambda line: line.mask.shape[1])
    parts = [ordered[begin : begin + 64] for begin in range(0, len(ordered), 64)]
    return [(network(painted(batch_of(part, generator), generator)), [line.symbols for line in part]) for part in parts]


def validate(found: Outputs) -> tuple[float, float]:
    """Compute the mean CTC loss per line, and the share of lines whose best path says something else."""
    losses = torch.cat([loss_of(logits, texts) for logits, texts in found])
    rows = [pair for logits, texts in found for pair in zip(logits.numpy(), texts, strict=True)]
    wrong = sum(symbols_of(best_path(row)) != text for row, text in rows)
    return losses.mean().item(), wrong / len(losses)


def next_epoch(
    run: Run, lines: Sequence[InkLine], own: Sequence[OwnLine], held_out: Sequence[InkLine], is_bf16: bool = False
) -> Row:
    """Train for an epoch, and validate."""
    training_loss = train_epoch(run, lines, own, is_bf16)
    loss, error = validate(outputs(run.model, held_out))
    return {"training_loss": training_loss, "validation_loss": loss, "validation_error": error}


def finish(run: Run, output: Path, held_out: Sequence[InkLine], own: Sequence[OwnLine]) -> str:
    """Calibrate and export the run's best epoch; summarise it in a sentence."""
    assert isinstance(run.model, LineNet)
    run.model.load_state_dict(run.best)
    found = outputs(run.model, held_out)
    loss, error = validate(found)
    temperature = best_temperature(lambda t: sum(loss_of(logits / t, texts).sum().item() for logits, texts in found))
    metadata = {
        "architecture": "convolutional, CTC",
        "training_data": f"{run.config.lines:,} lines written with 55,000 of MNIST's training images"
        + (f", and {len(own)} lines of other pictures" if own else ""),
        "recipe": json.dumps(asdict(run.config)),
        "seed": str(run.seed),
        "epochs": str(run.epochs),
        "validation_loss": f"{loss:.4f}",
        "validation_error_percent": f"{100 * error:.2f}",
        "temperature": f"{temperature:.2f}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with torch.no_grad():
        for parameter in run.model.head.parameters():
            parameter.div_(temperature)
    export_lines(run.model, output, metadata)
    return f"{output}: {error:.2%} of validation lines wrong, temperature {temperature:.2f}."


def train(arguments: argparse.Namespace) -> int:
    """Write lines, train, and export; return the exit status."""
    earlier = run_to_resume(arguments)
    recipe = Recipe(**options_in(earlier)) if earlier else RECIPES[arguments.recipe]
    torch.set_num_threads(arguments.threads or torch.get_num_threads())
    torch.set_flush_denormal(True)  # floats that are nearly 0 are slow
    training, held_out_digits = data.split(data.load(arguments.data, train=True))
    characters = omniglot.load(arguments.others)
    own = line_pictures.load(arguments.pictures) if arguments.pictures else []
    lines = lines_of(training, recipe.lines, SEED, characters)
    held_out = lines_of(held_out_digits, VALIDATION_LINES, VALIDATION_SEED, characters)
    run = setup(recipe, earlier or new_folder(arguments.runs, asdict(recipe)))
    precision = faster_precision(torch.device("cpu"))
    print(f"Training on {len(lines):,} lines in {precision}; the run's folder is {run.folder}")
    epoch = partial(next_epoch, run, lines, own, held_out, precision == "bf16")
    status = until_interrupted(partial(fit, run, recipe.epochs, epoch), "training.lines", run.folder)
    if run.best:
        output = arguments.output or run.folder / LINES_MODEL.name
        print(finish(run, output, held_out, own))
        print(f"To serve it: digits serve --lines-model {output}")
    return status


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    p = argparse.ArgumentParser("python -m training.lines", description="Train the line network.")
    p.add_argument("--recipe", choices=[*RECIPES], default="best", help="how much to write and to train (best)")
    p.add_argument("--threads", help="CPU threads (number of cores)", **COUNT)
    add_run_options(p, RUNS, LINES_MODEL.name)
    return p.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return exit_status(lambda: train(parse(argv)))


if __name__ == "__main__":
    sys.exit(main())
