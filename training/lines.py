"""Make the reader's file: a pretrained recogniser, cut to our alphabet and tuned on
lines written with MNIST's digits.

    # From the pretrained file, within an hour on two cores:
    python -m training.lines
    # From the shipped file, on your own pictures too, within minutes:
    python -m training.lines --pictures DIR

So that the network does not forget what it knew, its answers are held near those from
before (Li & Hoiem 2016, "Learning without forgetting"), and its weights end a share of
the way to the tuned ones (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
models"). The lines of ink are written once and cached; paper, light and pens are
painted anew in every epoch.
"""

import argparse
import copy
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import ModelProto
from onnx.helper import set_model_props
from torch import Generator, Tensor, nn

from app.text.ctc import best_path, symbols_of
from app.text.line_network import LineNetwork
from app.text.pages import PageNetwork
from training import data, omniglot
from training.calibrate import confidence_line
from training.config import (
    COUNT,
    FILE,
    LINES_MODEL,
    PAGES_MODEL,
    add_run_options,
    parsed,
)
from training.data import Digits
from training.errors import TrainingError, exit_status, until_interrupted
from training.generated import lines_of
from training.pretrained import Pretrained, metadata_of, widened
from training.reader import own_lines, recogniser
from training.reader.graph import Graph
from training.reader.ink_lines import InkLine, Lines
from training.reader.others import rows_for_others
from training.reader.own_lines import OwnLine, Text
from training.reader.paper import painted_strips
from training.reader.recogniser import BIAS, HEAD, LOGITS, PRETRAINED
from training.run import (
    Row,
    Run,
    checkpoint,
    fit,
    learning_rate,
    make_optimizer,
    new_folder,
    options_in,
    progress,
    run_to_resume,
    unfinished,
)
from training.writing.alphabet import CHARACTERS, OTHER

RUNS = Path("runs/lines")
START = "start.onnx"  # the network before it is tuned, in the run's folder
OWN = "own.pt"  # in the run's folder: the lines of the user's own pictures
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
    is calibrated on.
    """

    lines: int = 6_000
    epochs: int = 2
    batch_size: int = 16
    rate: float = 1e-4
    share: float = 0.25
    calibration: int = 20


@dataclass(frozen=True)
class Plan:
    """What a run starts from, and how much is made for it."""

    recipe: Recipe = Recipe()
    own_recipe: Recipe = Recipe(lines=1_600, share=0.5)  # with the user's own pictures
    pretrained: Pretrained = PRETRAINED
    shipped: Path = LINES_MODEL
    other_pictures: int = 2_000  # see `rows_for_others`
    other_rows: int = 1_000
    validation_lines: int = 1_000
    generated: Path | None = None  # where lines of ink are kept, if not in data/


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


def symbols_of_line(line: InkLine) -> Text:
    """Return what is read in a line: without what is something else."""
    return tuple(symbol for symbol in line.symbols if symbol != OTHER)


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
    recipe: Recipe = run.config
    rng = np.random.default_rng([run.seed, run.epochs])
    generator = Generator().manual_seed(run.seed * 1000 + run.epochs)
    steps = [*batches(lines, recipe.batch_size, rng)]
    total = 0.0
    shown = progress(steps, f"epoch {run.epochs + 1}")
    for step, batch in enumerate(shown):
        texts = [symbols_of_line(line) for line in batch]
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
        texts = [symbols_of_line(line) for line in part]
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


def finish(
    run: Run,
    start: ModelProto,
    output: Path,
    held_out: Lines,
    digits: Digits,
    tuned_on: Mapping[str, str],
) -> str:
    """Mix the weights, and write the calibrated file; summarise it in a sentence."""
    recipe: Recipe = run.config
    network = mixed(Graph(start, LOGITS), run.model, recipe.share)
    loss, error = validate(network, held_out)
    network.write_to(start)
    metadata = {
        **metadata_of(start),
        **tuned_on,
        "recipe": json.dumps(asdict(recipe)),
        "seed": str(run.seed),
        "epochs": str(run.epochs),
        "validation_loss": f"{loss:.4f}",
        "validation_error_percent": f"{100 * error:.2f}",
        **recogniser.UNCALIBRATED,
    }
    with unfinished(output) as file:
        recogniser.save(start, file, metadata)
        scale, offset = confidence_line(
            LineNetwork(file), PageNetwork(PAGES_MODEL), digits, recipe.calibration
        )
        metadata["confidence_scale"] = f"{scale:.2f}"
        metadata["confidence_offset"] = f"{offset:.2f}"
        recogniser.save(start, file, metadata)
    return (
        f"{output}: {error:.2%} of validation lines wrong, log-odds of texts × "
        f"{scale:.2f}, {offset:+.2f}."
    )


def sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def from_pretrained(plan: Plan, file: Path, others: Path, digits: Digits) -> ModelProto:
    """Cut the reader's network out of the pretrained file; its metadata say where it
    comes from.

    `others` is the file of Omniglot's characters. Raises TrainingError if one of both
    files is missing.
    """
    pretrained = plan.pretrained.read(file)
    if not others.is_file():
        raise TrainingError(
            f"{others}: no such file. It is images_background.zip of "
            f"{omniglot.ADDRESS}: --others FILE"
        )
    characters = omniglot.load(others)
    count = plan.other_rows
    rows = rows_for_others(pretrained, digits, characters, plan.other_pictures, count)
    start = recogniser.cut(pretrained, rows)
    origin = plan.pretrained.origin(
        f"PP-OCRv6 small recogniser: {len(CHARACTERS)} characters, {len(rows)} more "
        "for something else",
        "cut to its alphabet, and tuned",
    )
    origin["others_sha256"] = sha256(others.read_bytes())
    set_model_props(start, origin)
    return start


def from_shipped(file: Path) -> ModelProto:
    """Load the shipped file, to tune it on other pictures; note where it comes from."""
    shipped = widened(onnx.load(file))
    origin = metadata_of(shipped)
    origin["tuned_from_sha256"] = sha256(file.read_bytes())
    set_model_props(shipped, origin)
    return shipped


def description(
    recipe: Recipe, digits: Digits, own: Sequence[OwnLine]
) -> dict[str, str]:
    """Describe what a network is tuned on."""
    written = f"{recipe.lines:,} lines written with 55,000 of MNIST's training images"
    described = {
        "training_data": written,
        "mnist_sha256": sha256(digits.images.numpy().tobytes()),
    }
    if own:
        described["training_data"] += f", and {len(own)} lines of other pictures"
        pixels = [line.pixels.tobytes() for line in own]
        described["pictures_sha256"] = sha256(b"".join(pixels))
    return described


def new_run(arguments: argparse.Namespace, plan: Plan, digits: Digits) -> Path:
    """Make what a run starts from; return its folder."""
    own = own_lines.load(arguments.pictures) if arguments.pictures else []
    if own:
        recipe = plan.own_recipe
        start = from_shipped(plan.shipped)
    else:
        recipe = plan.recipe
        others = arguments.others or omniglot.FILE
        start = from_pretrained(plan, arguments.pretrained, others, digits)
    folder = new_folder(arguments.runs, asdict(recipe))
    onnx.save_model(start, folder / START)
    kept = [(torch.tensor(line.pixels), line.symbols) for line in own]
    torch.save(kept, folder / OWN)
    return folder


def train(arguments: argparse.Namespace, plan: Plan) -> int:
    """Write lines, tune, and export; return the exit status."""
    earlier = run_to_resume(arguments)
    torch.set_num_threads(arguments.threads or torch.get_num_threads())
    torch.set_flush_denormal(True)  # floats that are nearly 0 are slow
    digits, held_out_digits = data.split(data.load(arguments.data, train=True))
    folder = earlier or new_run(arguments, plan, digits)
    recipe = Recipe(**options_in(folder))
    start = onnx.load(folder / START)
    kept = torch.load(folder / OWN, weights_only=True)
    own = [OwnLine(pixels.numpy(), symbols) for pixels, symbols in kept]
    characters = omniglot.load(arguments.others)
    lines = lines_of(digits, recipe.lines, SEED, characters, plan.generated)
    held_out = lines_of(
        held_out_digits,
        plan.validation_lines,
        VALIDATION_SEED,
        characters,
        plan.generated,
    )
    texts = [symbols_of_line(line) for line in lines] + [line.symbols for line in own]
    run = setup(recipe, start, folder, texts)
    print(f"Tuning on {len(lines):,} lines; the run's folder is {run.folder}")
    original = Graph(start, LOGITS)
    epoch = partial(next_epoch, run, original, lines, own, held_out)
    work = partial(fit, run, recipe.epochs, epoch)
    status = until_interrupted(work, "training.lines", run.folder)
    if run.epochs == recipe.epochs:
        output = arguments.output or run.folder / LINES_MODEL.name
        tuned_on = description(recipe, digits, own)
        print(finish(run, start, output, held_out, held_out_digits, tuned_on))
        print(f"To serve it: digits serve --lines-model {output}")
    return status


def main(argv: Sequence[str] | None = None, plan: Plan = Plan()) -> int:
    """Run the command line; return the exit status."""
    p = argparse.ArgumentParser(
        "python -m training.lines",
        description="Make the file of the network for numbers.",
    )
    p.add_argument("--threads", help="CPU threads (number of cores)", **COUNT)
    p.add_argument(
        "--pretrained", default=PRETRAINED.file, help=PRETRAINED.meaning, **FILE
    )
    add_run_options(p, RUNS, LINES_MODEL.name)
    arguments = parsed(p, argv)
    if arguments.resume is not None and arguments.pictures:
        p.error(
            "--resume uses the pictures of the run that it resumes: leave out "
            "--pictures"
        )
    return exit_status(lambda: train(arguments, plan))


if __name__ == "__main__":
    sys.exit(main())
