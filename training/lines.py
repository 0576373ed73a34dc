"""Make the reader's file: a pretrained recogniser, cut to our alphabet and tuned on
lines written with MNIST's digits.

    # From the pretrained file, within an hour on two cores:
    python -m training.lines
    # From the shipped file, on your own pictures too, within minutes:
    python -m training.lines --pictures DIR

The lines of ink are written once and cached; paper, light and pens are painted anew in
every epoch.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import onnx
import torch
from onnx import ModelProto
from onnx.helper import set_model_props

from app.text.line_network import LineNetwork
from app.text.pages import PageNetwork
from training import data, omniglot
from training.calibrate import confidence_line
from training.data import Digits
from training.errors import TrainingError, exit_status, until_interrupted
from training.generated import lines_of
from training.options import (
    COUNT,
    FILE,
    FOLDER,
    LINES_MODEL,
    PAGES_MODEL,
    add_run_options,
    add_start_options,
    parsed,
)
from training.pretrained import Pretrained, metadata_of, widened
from training.reader import own_lines, recogniser
from training.reader.graph import Graph
from training.reader.ink_lines import Lines
from training.reader.others import rows_for_others
from training.reader.own_lines import OwnLine
from training.reader.recogniser import LOGITS, PRETRAINED
from training.reader.tuning import (
    SEED,
    VALIDATION_SEED,
    Recipe,
    mixed,
    next_epoch,
    setup,
    validate,
)
from training.run import (
    RECIPE,
    Run,
    fit,
    load_recipe,
    new_folder,
    run_to_resume,
    unfinished,
)
from training.writing.alphabet import CHARACTERS

RUNS = Path("runs/lines")
START = "start.onnx"  # the network before it is tuned, in the run's folder
OWN = "own.pt"  # in the run's folder: the lines of the user's own pictures
WITH_PICTURES = Recipe(lines=1_600, share=0.5)


@dataclass(frozen=True)
class Sources:
    """The files that a run may start from, and where lines of ink are kept, if not in
    data/.
    """

    pretrained: Pretrained = PRETRAINED
    shipped: Path = LINES_MODEL
    generated: Path | None = None


def finish(
    run: Run,
    start: ModelProto,
    output: Path,
    held_out: Lines,
    digits: Digits,
    tuned_on: Mapping[str, str],
) -> str:
    """Mix the weights, and write the calibrated file; summarise it in a sentence."""
    recipe: Recipe = run.recipe
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


def from_pretrained(
    pretrained: Pretrained,
    recipe: Recipe,
    arguments: argparse.Namespace,
    digits: Digits,
) -> ModelProto:
    """Cut the reader's network out of the pretrained file; its metadata say where it
    comes from.

    Raises TrainingError if that file, or Omniglot's characters, are missing.
    """
    model = pretrained.read(arguments.pretrained)
    others = arguments.others or omniglot.FILE
    if not others.is_file():
        raise TrainingError(
            f"{others}: no such file. It is images_background.zip of "
            f"{omniglot.ADDRESS}: --others FILE"
        )
    characters = omniglot.load(others)
    rows = rows_for_others(
        model, digits, characters, recipe.other_pictures, recipe.other_rows
    )
    start = recogniser.cut(model, rows)
    origin = pretrained.origin(
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


def new_run(arguments: argparse.Namespace, sources: Sources, digits: Digits) -> Path:
    """Make a folder with all that a run starts from."""
    own = own_lines.load(arguments.pictures) if arguments.pictures else []
    recipe = WITH_PICTURES if own else Recipe()
    if arguments.recipe:
        recipe = load_recipe(Recipe, Path(arguments.recipe))
    if own:
        start = from_shipped(sources.shipped)
    else:
        start = from_pretrained(sources.pretrained, recipe, arguments, digits)
    folder = new_folder(arguments.runs, asdict(recipe))
    onnx.save_model(start, folder / START)
    kept = [(torch.tensor(line.pixels), line.symbols) for line in own]
    torch.save(kept, folder / OWN)
    return folder


def train(arguments: argparse.Namespace, sources: Sources) -> int:
    """Write lines, tune, and export; return the exit status."""
    earlier = run_to_resume(arguments)
    torch.set_num_threads(arguments.threads or torch.get_num_threads())
    torch.set_flush_denormal(True)  # floats that are nearly 0 are slow
    digits, held_out_digits = data.split(data.load(arguments.data, train=True))
    folder = earlier or new_run(arguments, sources, digits)
    recipe = load_recipe(Recipe, folder / RECIPE)
    start = onnx.load(folder / START)
    kept = torch.load(folder / OWN, weights_only=True)
    own = [OwnLine(pixels.numpy(), symbols) for pixels, symbols in kept]
    characters = omniglot.load(arguments.others)
    kept_in = sources.generated
    lines = lines_of(digits, recipe.lines, SEED, characters, kept_in)
    count = recipe.validation_lines
    held_out = lines_of(held_out_digits, count, VALIDATION_SEED, characters, kept_in)
    texts = [line.text for line in lines] + [line.symbols for line in own]
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


def main(argv: Sequence[str] | None = None, sources: Sources = Sources()) -> int:
    """Run the command line; return the exit status."""
    p = argparse.ArgumentParser(
        "python -m training.lines",
        description="Make the file of the network for numbers.",
    )
    add_start_options(p, "JSON file with another recipe than usual")
    p.add_argument(
        "--pictures",
        help="tune the shipped file, also on your own pictures: DIR/images and "
        "DIR/labels.csv",
        **FOLDER,
    )
    p.add_argument("--threads", help="CPU threads (number of cores)", **COUNT)
    p.add_argument(
        "--pretrained", default=PRETRAINED.file, help=PRETRAINED.meaning, **FILE
    )
    add_run_options(p, RUNS, LINES_MODEL.name)
    arguments = parsed(p, argv)
    if arguments.resume is not None and arguments.pictures:
        p.error("a run has its own pictures: leave out --pictures")
    return exit_status(lambda: train(arguments, sources))


if __name__ == "__main__":
    sys.exit(main())
