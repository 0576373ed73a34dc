"""Compare the accuracy of Digits with that of other recognisers on the same pictures.

    make peers [ARGS="DIR… --n 250"]

Each recogniser of `rivals/recognise.py` reads MNIST's test digits in some scenes of
`training.writing.scenes`, a sample of the digits in each DIR (as for `make real`),
and numbers of two to five digits. An answer is right if it has exactly the digits in
the picture. Of numbers, the share that can be taken unseen is given, too, by each
recogniser's own confidence. Each recogniser runs in its own process, on one core; one
that cannot start is left out. *Alone* is Digits without the line network's second
opinion. That network and rapidocr's have the same origin, PaddleOCR's PP-OCRv6. Prints
Markdown tables. Needs the extra `training`, and tesseract (Debian: `apt-get install
tesseract-ocr`).
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer

from app.labels import NOTHING
from app.many.threshold import Judged
from measuring import (
    Folders,
    Seed,
    digits_in,
    header,
    held_out,
    row,
    save_with_extension,
    wilson_interval,
)
from real import labelled
from training.writing.scenes import number, render
from whole_numbers import covered

HERE = Path(__file__).parent
PYTHON = HERE.parent / ".venv" / "ocr" / "bin" / "python"
# Installed in that environment; the others run in this one.
IN_PYTHON = ("rapidocr", "ddddocr")
OTHERS = (*IN_PYTHON, "tesseract")
RECOGNISERS = {
    "digit": ("digits", "alone", "squashed", *OTHERS),
    "number": ("digits", *OTHERS),
}
SCENES = ("clean", "phone-photo", "printed-grid")
NUMBERS = ("spaced", "photo")
UNSEEN = 0.01  # share of errors among what is taken unseen

Labels = dict[Path, str]  # the text in each picture
Answers = dict[Path, Any]  # of a recogniser, as `rivals/recognise.py` prints them


def saved(folder: Path, name: str, pictures: Iterable[tuple[bytes, str]]) -> Labels:
    """Save labelled pictures."""
    found = Labels()
    for index, (picture, text) in enumerate(pictures):
        found[save_with_extension(folder / f"{name}-{index}", picture)] = text
    return found


def sampled(folders: list[Path], n: int, seed: int) -> dict[str, Labels]:
    """Sample the digits of each folder."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    found = {}
    for folder, labels in labelled(folders).items():
        pairs = [
            (page.file, label) for page, label in labels.items() if label != NOTHING
        ]
        if pairs:
            found[folder.name] = dict(dice.sample(pairs, min(n, len(pairs))))
    return found


def read_by(name: str, kind: str, paths: list[Path]) -> tuple[Answers, float]:
    """Read pictures with one recogniser; return answers and median milliseconds."""
    python = str(PYTHON) if name in IN_PYTHON else sys.executable
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "OMP_THREAD_LIMIT": "1",
        "PYTHONPATH": f"{HERE.parent}:{HERE}",
    }
    output = subprocess.check_output(
        [python, str(HERE / "rivals" / "recognise.py"), name, kind],
        input="\n".join(map(str, paths)),
        text=True,
        env=environment,
    )
    answers, milliseconds = zip(*json.loads(output), strict=True)
    return dict(zip(paths, answers, strict=True)), median(milliseconds)


def read_by_each(
    names: Iterable[str], kind: str, paths: list[Path]
) -> dict[str, tuple[Answers, float]]:
    """Read pictures with each recogniser that can start."""
    results = {}
    for name in names:
        try:
            results[name] = read_by(name, kind, paths)
        except (OSError, subprocess.CalledProcessError) as error:
            typer.echo(f"{name} is left out: {error}", err=True)
    return results


def compare(sets: dict[str, Labels], kind: str) -> None:
    """Read all pictures with each recogniser; print accuracy and time."""
    paths = [path for labels in sets.values() for path in labels]
    results = read_by_each(RECOGNISERS[kind], kind, paths)
    header(f"{kind}s", "n", *results)
    for name, labels in sets.items():
        texts = [judged(answers, labels) for answers, _ in results.values()]
        row([name, str(len(labels)), *map(accuracy, texts)])
        if kind == "number":
            unseen = [covered(each, UNSEEN) for each in texts]
            row([f"{name}, unseen at {100 * UNSEEN:g} % errors", "", *unseen])
    times = [f"{milliseconds:.1f}" for _, milliseconds in results.values()]
    row(["processor, ms each", "", *times])


def judged(answers: Answers, labels: Labels) -> list[Judged]:
    """Judge what a recogniser reads; what it could not read is wrong."""
    found = []
    for path, label in labels.items():
        text, confidence = answers[path] or ("", 0.0)
        found.append(Judged(confidence, digits_in(text) == label))
    return found


def accuracy(texts: Sequence[Judged]) -> str:
    """Format the share that is right, in percent."""
    right = sum(text.is_right for text in texts)
    low, high = wilson_interval(right, len(texts))
    return f"{100 * right / len(texts):.1f} ({100 * low:.1f} to {100 * high:.1f})"


def main(
    folders: Folders = (),
    n: Annotated[int, typer.Option(min=1, help="Pictures of each kind.")] = 250,
    seed: Seed = 0,
) -> None:
    """Measure Digits and other recognisers on the same pictures."""
    digits = held_out("test")
    chosen = np.random.default_rng(seed).permutation(len(digits))[:n]
    images = digits.images[chosen].numpy()
    labels = digits.labels[chosen].tolist()
    singles = {}
    numbers = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        for scene in SCENES:
            drawn = (render(scene, each, seed, i) for i, each in enumerate(images))
            pictures = zip(drawn, map(str, labels), strict=True)
            singles[scene] = saved(folder, scene, pictures)
        for scene in NUMBERS:
            written = (number(scene, digits, seed, index) for index in range(n))
            numbers[scene] = saved(folder, scene, written)
        compare(singles | sampled(folders, n, seed), "digit")
        typer.echo()
        compare(numbers, "number")


if __name__ == "__main__":
    typer.run(main)
