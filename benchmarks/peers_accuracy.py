"""Compare the accuracy of Digits with that of other recognisers on the same pictures.

    make peers [ARGS="DIR… --n 250"]

Each recogniser of `peers/recognise.py` reads MNIST's test digits in some scenes of `training.scenes`, a sample of the
digits in each DIR (in the format of `make real`), and numbers of two to five digits. An answer is right if it has
exactly the digits in the picture; for numbers, a second row counts single digits. Each recogniser runs in its own
process, on one core; one that cannot start is left out. Prints Markdown tables. Needs the extra `training`, and
tesseract (Debian: `apt-get install tesseract-ocr`).
"""

import json
import os
import random
import subprocess
import sys
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import numpy as np
import typer

from measuring import header, held_out, row, wilson_interval
from real import labelled
from training.pictures import NO_DIGIT
from training.scenes import number, render
from whole_numbers import digits_right

HERE = Path(__file__).parent
PYTHON = HERE.parent / ".venv" / "ocr" / "bin" / "python"
IN_PYTHON = ("rapidocr", "ddddocr", "digit-recognizer-py")  # installed in that environment; the others run in this one
FOR_DIGITS = ("digits", "alone", "squashed", *IN_PYTHON, "tesseract")
FOR_NUMBERS = ("digits", "rapidocr", "ddddocr", "tesseract")
SCENES = ("clean", "tight-28px", "phone-photo", "printed-grid")
NUMBERS = ("spaced", "touching", "in-cells", "photo")

Labels = dict[Path, str]  # the text in each picture


class Readings(NamedTuple):
    """What a recogniser reads in each picture, its median processor time for one, and its peak memory."""

    texts: Labels
    milliseconds: float
    megabytes: float


def saved(path: Path, picture: bytes) -> Path:
    """Save a picture with the file extension of its format, which some recognisers need."""
    path = path.with_suffix(".png" if picture.startswith(b"\x89PNG") else ".jpg")
    path.write_bytes(picture)
    return path


def singles(folder: Path, n: int, seed: int) -> dict[str, Labels]:
    """Render single digits into scenes."""
    digits, found = held_out("test"), {scene: Labels() for scene in SCENES}
    chosen = np.random.default_rng(seed).permutation(len(digits))[:n]
    for scene, index in product(SCENES, range(len(chosen))):
        picture = render(scene, digits.images[chosen[index]].numpy(), seed, index)
        found[scene][saved(folder / f"{scene}-{index}", picture)] = str(int(digits.labels[chosen[index]]))
    return found


def samples(folders: list[Path], n: int, seed: int) -> dict[str, Labels]:
    """Sample the digits of each folder."""
    found = {}
    for folder, labels in labelled(folders).items():
        shown = [pair for pair in labels.items() if pair[1] != NO_DIGIT]
        found[folder.name] = dict(random.Random(seed).sample(shown, min(n, len(shown))))  # noqa: S311
    return {name: labels for name, labels in found.items() if labels}


def numbers(folder: Path, n: int, seed: int) -> dict[str, Labels]:
    """Render numbers into scenes: the first of those that `whole_numbers.py` reads."""
    digits, found = held_out("test"), {scene: Labels() for scene in NUMBERS}
    images, labels = digits.images.numpy(), digits.labels.numpy()
    for scene, index in product(NUMBERS, range(n)):
        picture, text = number(scene, images, labels, seed, index)
        found[scene][saved(folder / f"{scene}-{index}", picture)] = text
    return found


def read_by(name: str, kind: str, paths: list[Path]) -> Readings:
    """Read pictures with one recogniser."""
    done = subprocess.run(
        [str(PYTHON) if name in IN_PYTHON else sys.executable, str(HERE / "peers" / "recognise.py"), name, kind],
        input="\n".join(map(str, paths)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "PYTHONPATH": str(HERE.parent)},
    )
    answer = json.loads(done.stdout)
    texts, milliseconds = zip(*answer["readings"], strict=True)
    return Readings(dict(zip(paths, texts, strict=True)), median(milliseconds), answer["megabytes"])


def compare(sets: dict[str, Labels], names: tuple[str, ...], kind: str) -> None:
    """Read all pictures with each recogniser that can start; print accuracy, time and memory."""
    results = {}
    for name in names:
        try:
            results[name] = read_by(name, kind, [path for labels in sets.values() for path in labels])
        except (OSError, subprocess.CalledProcessError) as error:
            typer.echo(f"{name} is left out: {error}", err=True)
    header(f"{kind}s", "n", *results)
    for name, labels in sets.items():
        texts = [[readings.texts[path] for path in labels] for readings in results.values()]
        row([name, len(labels), *(cell(list(labels.values()), some) for some in texts)])
        if kind == "number":
            pairs = [zip(labels.values(), some, strict=True) for some in texts]
            row([f"{name}: digits", "", *(f"{100 * digits_right(some):.1f}" for some in pairs)])
    row(["processor, ms each", "", *(f"{readings.milliseconds:.1f}" for readings in results.values())])
    row(["memory, MB", "", *(f"{readings.megabytes:.0f}" for readings in results.values())])


def cell(labels: list[str], texts: list[str]) -> str:
    """Format the accuracy in percent, and the share without an answer if it rounds to 1 or more."""
    right = sum(text == label for text, label in zip(texts, labels, strict=True))
    low, high = wilson_interval(right, len(labels))
    none = round(100 * texts.count("") / len(labels))
    share = f"{100 * right / len(labels):.1f} ({100 * low:.1f} to {100 * high:.1f})"
    return f"{share}, none {none}" if none else share


def main(
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders of labelled pictures.", metavar="DIR…")] = None,
    n: Annotated[int, typer.Option(min=1, help="Pictures of each kind.")] = 250,
    seed: Annotated[int, typer.Option(help="Random seed for choosing and rendering the pictures.")] = 0,
) -> None:
    """Measure Digits and other recognisers on the same pictures."""
    with TemporaryDirectory() as folder:
        compare(singles(Path(folder), n, seed) | samples(folders or [], n, seed), FOR_DIGITS, "digit")
        typer.echo()
        compare(numbers(Path(folder), n, seed), FOR_NUMBERS, "number")


if __name__ == "__main__":
    typer.run(main)
