"""Options that the commands of training share, and where the model files are."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MODELS = Path(__file__).parent.parent / "models"
MODEL = MODELS / "digits.onnx"
LINES_MODEL = MODELS / "lines.onnx"
PAGES_MODEL = MODELS / "pages.onnx"

# How the command line parses an option.
Parsing = dict[str, Any]


def limited(
    kind: type[int] | type[float], low: float, high: float = math.inf
) -> Callable[[str], float]:
    """Return a parser of numbers in [low, high)."""

    def number(text: str) -> float:  # argparse says "invalid number value"
        value = kind(text)
        if not low <= value < high:
            limit = f"at least {low}" if high == math.inf else "below 1"
            raise argparse.ArgumentTypeError(f"{text} is not {limit}")
        return value

    return number


COUNT: Parsing = {"type": limited(int, 1), "metavar": "N"}
FILE: Parsing = {"type": Path, "metavar": "FILE"}
FOLDER: Parsing = {"type": Path, "metavar": "DIR"}


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where data is stored."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        help="folder with a copy of MNIST, downloaded if missing (MNIST_ROOT, else "
        "data/)",
        **FOLDER,
    )
    group.add_argument(
        "--others",
        help="Omniglot's images_background.zip: characters that are no digits "
        "(data/omniglot.zip)",
        **FILE,
    )


def add_run_options(parser: argparse.ArgumentParser, runs: Path, model: str) -> None:
    """Add the options that say where a run's data and results are stored."""
    add_data_options(parser)
    group = parser.add_argument_group("run")
    group.add_argument(
        "--output", help=f"model file to write ({model} in the run's folder)", **FILE
    )
    group.add_argument(
        "--runs", default=runs, help=f"parent of the run's folder ({runs})", **FOLDER
    )


def add_start_options(parser: argparse.ArgumentParser, recipes: str) -> Any:  # noqa: ANN401
    """Add the options for what a run starts from, of which only one can be given."""
    group = parser.add_argument_group("start").add_mutually_exclusive_group()
    group.add_argument("--recipe", help=recipes)
    group.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="RUN",
        help="resume the run in this folder (by default the newest), with its options",
    )
    return group


def parsed(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace:
    """Parse a command line, and refuse an --output that cannot be a file."""
    arguments = parser.parse_args(argv)
    output = arguments.output
    if output and (output.is_dir() or output.parent.is_file()):
        parser.error(f"--output {output} is not a file's name")
    return arguments
