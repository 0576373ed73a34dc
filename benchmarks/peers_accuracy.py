"""Compare the accuracy of Digits with that of other recognisers on the same pictures.

    make peers [ARGS="DIR… --n 250"]

Each recogniser reads MNIST's test digits in some scenes of `scenes.py`, a sample of the digits in each DIR (in the
format of `make real`), and numbers of two to five digits in some scenes of `strings.py`. An answer is right if it has
exactly the digits in the picture; for numbers, a second row counts single digits. `alone` is Digits without the line
network's second opinion; `squashed` is the dense network with the preprocessing of most services; both read single
digits only, like digit-recognizer-py. Each recogniser runs in its own process, on one core; one that cannot start is
left out. Prints Markdown tables. Needs the extra `training`, and tesseract (Debian: `apt-get install tesseract-ocr`).
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import typer

import strings
from evaluate import wilson_interval
from real import labelled
from robustness import chosen_digits
from scenes import render
from training import data
from training.pictures import NO_DIGIT
from whole_numbers import Read, digits_right

HERE = Path(__file__).parent
PYTHON = HERE.parent / ".venv" / "ocr" / "bin" / "python"
IN_PYTHON = ("rapidocr", "ddddocr", "digit-recognizer-py")  # installed in that environment; the others run in this one
FOR_DIGITS = ("digits", "alone", "squashed", *IN_PYTHON, "tesseract")
FOR_NUMBERS = ("digits", "rapidocr", "ddddocr", "tesseract")
SCENES = ("clean", "tight-28px", "phone-photo", "printed-grid")
NUMBERS = ("spaced", "touching", "in-cells", "photo")
LENGTHS = 2, 5

Labels = dict[Path, str]  # the text in each picture


class Readings(NamedTuple):
    """The answers of a recogniser.

    Attributes
    ----------
    texts : dict
        The digits that it read in each picture.
    milliseconds : float
        Median processor time per picture.
    megabytes : float
        Peak memory.
    """

    texts: dict[Path, str]
    milliseconds: float
    megabytes: float


def main(
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders of labelled pictures.", metavar="DIR…")] = None,
    n: Annotated[int, typer.Option(min=1, help="Pictures of each kind.")] = 250,
    seed: Annotated[int, typer.Option(help="Random seed for choosing and rendering the pictures.")] = 0,
) -> None:
    """Measure Digits and other recognisers on the same pictures."""
    with TemporaryDirectory() as folder:
        singles = scenes(Path(folder), n, seed) | samples(folders or [], n, seed)
        typer.echo(table(singles, read_by_all(singles, FOR_DIGITS, "digit")))
        several = numbers(Path(folder), n, seed)
        typer.echo("\n" + table(several, read_by_all(several, FOR_NUMBERS, "number"), of_numbers=True))


def scenes(folder: Path, n: int, seed: int) -> dict[str, Labels]:
    """Render single digits into scenes."""
    images, labels = chosen_digits("test", n, seed)
    return {
        scene: {
            saved(folder / f"{scene}-{index}", render(scene, image, seed, index)): str(label)
            for index, (image, label) in enumerate(zip(images, labels, strict=True))
        }
        for scene in SCENES
    }


def samples(folders: list[Path], n: int, seed: int) -> dict[str, Labels]:
    """Sample the digits of each folder."""
    shown = {
        name: [(path, label) for path, label in labels.items() if label != NO_DIGIT]
        for name, labels in labelled(folders).items()
    }
    return {
        name: dict(random.Random(seed).sample(labels, min(n, len(labels))))  # noqa: S311
        for name, labels in shown.items()
        if labels
    }


def numbers(folder: Path, n: int, seed: int) -> dict[str, Labels]:
    """Render numbers into scenes: the first of those that `whole_numbers.py` reads."""
    test = data.load(train=False)
    images, labels = test.images.numpy(), test.labels.numpy()
    return {
        scene: {
            saved(folder / f"{scene}-{index}", number.picture): number.text
            for index in range(n)
            for number in [strings.number(scene, images, labels, seed, index, LENGTHS)]
        }
        for scene in NUMBERS
    }


def saved(path: Path, picture: bytes) -> Path:
    """Save a picture with the file extension of its format, which some recognisers need."""
    path = path.with_suffix(".png" if picture.startswith(b"\x89PNG") else ".jpg")
    path.write_bytes(picture)
    return path


def read_by_all(sets: dict[str, Labels], names: tuple[str, ...], kind: str) -> dict[str, Readings]:
    """Read all pictures with each recogniser that can start."""
    paths = [path for labels in sets.values() for path in labels]
    results = {}
    for name in names:
        try:
            results[name] = read_by(name, kind, paths)
        except (OSError, subprocess.CalledProcessError) as error:
            typer.echo(f"{name} is left out: {error}", err=True)
    return results


def read_by(name: str, kind: str, paths: list[Path]) -> Readings:
    """Read pictures with one recogniser."""
    python = str(PYTHON) if name in IN_PYTHON else sys.executable
    done = subprocess.run(
        [python, str(HERE / "peers" / "recognise.py"), name, kind],
        input="\n".join(map(str, paths)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "PYTHONPATH": f"{HERE.parent}:{HERE}"},
    )
    answer = json.loads(done.stdout)
    texts, milliseconds = zip(*answer["readings"], strict=True)
    return Readings(dict(zip(paths, texts, strict=True)), median(milliseconds), answer["megabytes"])


def table(sets: dict[str, Labels], results: dict[str, Readings], of_numbers: bool = False) -> str:
    """Format the accuracy on each set, the time and the memory as a Markdown table."""
    rows = [["right %, 95 % interval", "n", *results], ["---"] * (2 + len(results))]
    for name, labels in sets.items():
        rows.append([name, str(len(labels)), *(cell(labels, readings.texts) for readings in results.values())])
        if of_numbers:
            rows.append([f"{name}: digits", "", *(of_digits(labels, readings.texts) for readings in results.values())])
    rows.append(["processor, ms each", "", *(f"{readings.milliseconds:.1f}" for readings in results.values())])
    rows.append(["memory, MB", "", *(f"{readings.megabytes:.0f}" for readings in results.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def of_digits(labels: Labels, texts: dict[Path, str]) -> str:
    """Format the share of single digits that were read, in percent."""
    return f"{100 * digits_right(Read(label, texts[path]) for path, label in labels.items()):.1f}"


def cell(labels: Labels, texts: dict[Path, str]) -> str:
    """Format the accuracy in percent, and the share without an answer if it rounds to 1 or more."""
    right = sum(texts[path] == label for path, label in labels.items())
    low, high = wilson_interval(right, len(labels))
    share = f"{100 * right / len(labels):.1f} ({100 * low:.1f} to {100 * high:.1f})"
    none = round(100 * sum(not texts[path] for path in labels) / len(labels))
    return f"{share}, none {none}" if none else share


if __name__ == "__main__":
    typer.run(main)
