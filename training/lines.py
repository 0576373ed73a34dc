"""Train the line network on lines written with MNIST's training digits, and write its model file.

    python -m training.lines                    the recipe `best`: up to 90 minutes on two cores
    python -m training.lines --recipe quick     up to 5 minutes

The lines of ink are written once and cached; paper, light and pens are painted anew in every epoch. The epoch with the
lowest loss on lines of validation digits is exported.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from tqdm import tqdm

from app.inference.classifier import ModelError
from app.inference.ctc import best_path, symbols_of
from app.preprocess.strips import STRIP_HEIGHT
from training import data, line_cache, line_export, line_pictures, omniglot
from training.export import ExportMismatch
from training.line_ink import InkLine
from training.line_net import LineNet
from training.line_paper import batch_of, painted
from training.line_pictures import OwnLine
from training.pictures import PicturesMissing
from training.run import NothingToResume, run_to_resume
from training.train import learning_rate, speedup_in_bf16

RUNS = Path("runs/lines")
CHUNK = 8  # batches that are sorted by width together
SHORT = 2  # symbols: only such lines are used in the first steps, until the network tells symbols from blanks
VALIDATION_LINES, VALIDATION_SEED = 3_000, 10**6
Outputs = list[tuple[Tensor, list[tuple[int, ...]]]]  # for each batch, logits (N, T, C) and what the lines say


@dataclass(frozen=True)
class Recipe:
    """A recipe: how many lines are written, how often each is painted, and how the network is trained."""

    lines: int = 96_000
    epochs: int = 18
    batch_size: int = 64
    peak_learning_rate: float = 3e-3
    weight_decay: float = 0.02
    short_steps: int = 350
    seed: int = 0


RECIPES = {"best": Recipe(), "quick": Recipe(lines=16_000, epochs=2)}


class Epoch(NamedTuple):
    """What an epoch gave: its mean training loss, the loss per validation line, and the share of these read wrong."""

    training_loss: float
    validation_loss: float
    validation_error: float


@dataclass
class Run:
    """A run in progress; its folder holds it after each epoch."""

    recipe: Recipe
    folder: Path
    network: LineNet
    optimizer: torch.optim.Optimizer
    history: list[Epoch]
    best: dict[str, Tensor]

    def save(self) -> None:
        """Write the run into its folder, atomically."""
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [list(epoch) for epoch in self.history],
            "best": self.best,
        }
        torch.save(state, self.folder / "last.pt.new")
        (self.folder / "last.pt.new").replace(self.folder / "last.pt")


def start(recipe: Recipe, folder: Path) -> Run:
    """Start a run in a folder, or continue the one in it."""
    torch.manual_seed(recipe.seed)
    network = LineNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay, fused=True)
    run = Run(recipe, folder, network, optimizer, [], {})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(asdict(recipe), indent=2))
    if (folder / "last.pt").exists():
        state = torch.load(folder / "last.pt", weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        run.history, run.best = [Epoch(*row) for row in state["history"]], state["best"]
    return run


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


def train_epoch(run: Run, lines: Sequence[InkLine], own: Sequence[OwnLine], is_bf16: bool, bar: "tqdm[Any]") -> float:
    """Train for the run's next epoch; return its mean loss per symbol."""
    recipe, number = run.recipe, len(run.history)
    rng = np.random.default_rng([recipe.seed, number])
    generator = Generator().manual_seed(recipe.seed * 1000 + number)
    count, total = len(lines) // recipe.batch_size, 0.0
    short = [line for line in lines if len(line.symbols) <= SHORT] if not number else []
    first = [*batches(short, recipe.batch_size, rng)][: min(recipe.short_steps, count // 10)]
    run.network.train()
    for step, batch in enumerate([*first, *batches(lines, recipe.batch_size, rng)][:count]):
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(recipe.peak_learning_rate, (number + step / count) / recipe.epochs)
        strips = painted(batch_of(batch, generator), generator)
        strips, texts = line_pictures.added(strips, [line.symbols for line in batch], own, rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            logits = run.network(strips)
        loss = loss_of(logits, texts).sum() / sum(len(text) + 1 for text in texts)
        run.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
        run.optimizer.step()
        total += loss.item()
        bar.update()
        if step % 50 == 0:
            bar.set_postfix_str(f"loss {loss.item():.3f}")
    return total / count


@torch.inference_mode()
def outputs(network: LineNet, lines: Sequence[InkLine]) -> Outputs:
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


def best_temperature(found: Outputs) -> float:
    """Find the temperature of the logits that gives the lines' texts the highest probability (Guo et al. 2017)."""
    temperatures = np.arange(0.6, 2.01, 0.05)
    losses = [sum(loss_of(logits / t, texts).sum().item() for logits, texts in found) for t in temperatures]
    return round(float(temperatures[int(np.argmin(losses))]), 2)


def fit(run: Run, lines: Sequence[InkLine], own: Sequence[OwnLine], held_out: Sequence[InkLine], is_bf16: bool) -> None:
    """Train to the end of the run, saving it after each epoch."""
    steps, epochs = len(lines) // run.recipe.batch_size, run.recipe.epochs
    with tqdm(total=epochs * steps, initial=len(run.history) * steps, unit="step", disable=None) as bar:
        while len(run.history) < epochs:
            bar.set_description(f"epoch {len(run.history) + 1}/{epochs}")
            loss = train_epoch(run, lines, own, is_bf16, bar)
            epoch = Epoch(loss, *validate(outputs(run.network, held_out)))
            if epoch.validation_loss <= min((e.validation_loss for e in run.history), default=math.inf):
                run.best = {name: value.clone() for name, value in run.network.state_dict().items()}
            run.history.append(epoch)
            run.save()
            bar.write(
                f"epoch {len(run.history)}  training loss {loss:.4f}  validation loss {epoch.validation_loss:.4f}, "
                f"{epoch.validation_error:.2%} of lines wrong"
            )


def finish(run: Run, output: Path, held_out: Sequence[InkLine], own: Sequence[OwnLine]) -> str:
    """Calibrate and export the run's best epoch; summarise it in a sentence."""
    run.network.load_state_dict(run.best)
    found = outputs(run.network, held_out)
    temperature = best_temperature(found)
    best = min(run.history, key=lambda epoch: epoch.validation_loss)
    metadata = {
        "architecture": "convolutional, CTC",
        "training_data": f"{run.recipe.lines:,} lines written with 55,000 of MNIST's training images"
        + (f", and {len(own)} lines of other pictures" if own else ""),
        "recipe": json.dumps(asdict(run.recipe)),
        "seed": str(run.recipe.seed),
        "epochs": str(len(run.history)),
        "validation_loss": f"{best.validation_loss:.4f}",
        "validation_error_percent": f"{100 * best.validation_error:.2f}",
        "temperature": f"{temperature:.2f}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    line_export.export(run.network, temperature, output, metadata)
    return f"{output}: {best.validation_error:.2%} of validation lines wrong, temperature {temperature:.2f}."


def train(arguments: argparse.Namespace) -> int:
    """Write lines, train, and export; return the exit status."""
    folder = run_to_resume(arguments) or arguments.runs / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    saved = folder / "config.json"
    recipe = Recipe(**json.loads(saved.read_text())) if saved.exists() else RECIPES[arguments.recipe]
    torch.set_num_threads(arguments.threads or torch.get_num_threads())
    torch.set_flush_denormal(True)  # floats that are nearly 0 are slow
    training, held_out_digits = data.split(data.load(arguments.data, train=True))
    others = omniglot.chosen(arguments.others)
    own = line_pictures.load(arguments.pictures) if arguments.pictures else []
    place = others, data.DEFAULT_ROOT / "lines", arguments.threads
    lines = line_cache.lines_of(training, recipe.lines, recipe.seed, *place)
    held_out = line_cache.lines_of(held_out_digits, VALIDATION_LINES, VALIDATION_SEED, *place)
    run = start(recipe, folder)
    is_bf16 = speedup_in_bf16(lambda: run.network.eval()(torch.zeros(16, STRIP_HEIGHT, 144))) > 1
    print(f"Training on {len(lines):,} lines in {'bf16' if is_bf16 else 'fp32'}; the run's folder is {folder}")
    status = 0
    try:
        fit(run, lines, own, held_out, is_bf16)
    except KeyboardInterrupt:
        print(f"\nInterrupted. To resume: python -m training.lines --resume {folder}")
        status = 130
    if run.best:
        output = arguments.output or folder / "lines.onnx"
        print(finish(run, output, held_out, own))
        print(f"To serve it: digits serve --lines-model {output}")
    return status


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    p = argparse.ArgumentParser("python -m training.lines", description="Train the line network.")
    p.add_argument("--recipe", choices=[*RECIPES], default="best", help="how much to write and to train (best)")
    p.add_argument("--data", type=Path, metavar="DIR", help="folder with a copy of MNIST (MNIST_ROOT, else data/)")
    p.add_argument(
        "--others",
        type=Path,
        metavar="FILE",
        help="Omniglot's images_background.zip, as characters that are no digits (data/omniglot.zip)",
    )
    p.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="also train on your own pictures, such as corrected ones: DIR/images and DIR/labels.csv",
    )
    p.add_argument("--output", type=Path, metavar="FILE", help="model file (lines.onnx in the run's folder)")
    p.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="parent of the run's folder (runs/lines)")
    p.add_argument("--resume", type=Path, metavar="RUN", help="resume the run in this folder, with its recipe")
    p.add_argument("--threads", type=int, metavar="N", help="CPU threads (number of cores)")
    return p.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    arguments = parse(argv)
    try:
        return train(arguments)
    except (data.DataMissing, ExportMismatch, ModelError, NothingToResume, PicturesMissing) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
