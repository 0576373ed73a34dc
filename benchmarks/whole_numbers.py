"""Measure how well numbers are read, in pictures made from MNIST's digits or in your own folders over HTTP.

    make numbers [ARGS="--n 500 --scene touching --lengths 2 5"]
    make numbers ARGS="--folder DIR [--no-marks] [--url http://127.0.0.1:8000]"

The numbers of `training.scenes` are read as by the service, but without HTTP, and compared without marks, except in the
scenes of marks. A DIR holds `images/` and `labels.csv` (columns filename, label). A label is the text, or `none`; a
space in it may also be a line break in the answer. With `--no-marks`, only the digits are compared, and a space stands
for a line break. A number is right if its text matches exactly. Errors in single digits are counted by the edit
distance. The last column is the mean processor time for a picture. Needs the extra `training`.
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import httpx2
import numpy as np
import typer
from tqdm import tqdm

from measuring import LinesModel, Networks, header, held_out, row, wilson_interval
from training.config import LINES_MODEL
from training.data import Digits
from training.pictures import NO_DIGIT, labels_of
from training.scenes import MARKED, NUMBERS, number

Read = tuple[str, str, float]  # what is written, what was read, and the processor time in milliseconds


def read_scene(
    scene: str, digits: Digits, n: int, lengths: tuple[int, int], seed: int, networks: Networks
) -> Iterator[Read]:
    """Read the numbers of a scene."""
    images, labels = digits.images.numpy(), digits.labels.numpy()
    for index in tqdm(range(n), scene, unit="picture", leave=False, disable=None):
        picture, label = number(scene, images, labels, seed, index, lengths)
        began = time.process_time()
        text = networks.text(picture, scene in MARKED)
        yield label, text, 1000 * (time.process_time() - began)


def read_folder(folder: Path, url: str, with_marks: bool) -> Iterator[Read]:
    """Send every picture of a folder to a running service."""
    with httpx2.Client(base_url=url, timeout=30) as client:
        for path, label in tqdm(labels_of(folder).items(), folder.name, unit="picture", leave=False, disable=None):
            answer = client.post("/read", params={"marks": with_marks}, content=path.read_bytes())
            if answer.is_server_error:
                answer.raise_for_status()
            words, text = ("" if label == NO_DIGIT else label).split(), answer.json().get("text", "")
            if with_marks:
                yield " ".join(words), " ".join(text.split()), np.nan
            else:
                yield digits_of("\n".join(words)), text, np.nan


def digits_of(text: str) -> str:
    """Leave only the digits and line breaks of a text."""
    return "".join(character for character in text if character in "0123456789\n")


def distance(written: str, read: str) -> int:
    """Compute the edit distance (Levenshtein 1966): the minimum number of digits to change, add or remove."""
    row = list(range(len(read) + 1))
    for place, digit in enumerate(written, 1):
        before, row[0] = row[0], place
        for index, other in enumerate(read, 1):
            before, row[index] = row[index], min(row[index] + 1, row[index - 1] + 1, before + (digit != other))
    return row[-1]


def digits_right(pairs: Iterable[tuple[str, str]]) -> float:
    """Return the share of the digits that were read in texts, of what is written and what was read; NaN for none."""
    digits = [(digits_of(label), digits_of(text)) for label, text in pairs]
    count = sum(len(label.replace("\n", "")) for label, _ in digits)
    return 1 - sum(distance(*pair) for pair in digits) / count if count else np.nan


def report(name: str, reads: Iterable[Read]) -> None:
    """Print a row of the table."""
    labels, texts, milliseconds = zip(*reads, strict=True)
    right = sum(label == text for label, text in zip(labels, texts, strict=True))
    low, high = wilson_interval(right, len(labels))
    share = f"{100 * right / len(labels):.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    digits = 100 * digits_right(zip(labels, texts, strict=True))
    row([name, len(labels), share, f"{digits:.1f} %", f"{np.mean(milliseconds):.1f}"])


def main(
    split: Annotated[str, typer.Option(help="validation or test")] = "test",
    n: Annotated[int, typer.Option(min=1, help="Numbers in each scene.")] = 500,
    lengths: Annotated[tuple[int, int], typer.Option(help="Minimum and maximum number of digits in a line.")] = (2, 5),
    seed: Annotated[int, typer.Option(help="Random seed for choosing and rendering the numbers.")] = 0,
    scene: Annotated[list[str] | None, typer.Option(help="A scene; may be repeated (all).")] = None,
    folder: Annotated[list[Path] | None, typer.Option(help="Send this folder to a running service instead.")] = None,
    url: Annotated[str, typer.Option(help="The running service.")] = "http://127.0.0.1:8000",
    marks: Annotated[bool, typer.Option(help="Compare a folder's text as written.")] = True,
    model: LinesModel = LINES_MODEL,
) -> None:
    """Measure every scene, or every folder."""
    header("numbers", "n", "text correct (95 % interval)", "digits correct", "ms")
    for path in folder or ():
        report(path.name, read_folder(path, url, marks))
    if not folder:
        networks, digits = Networks.of(lines_model=model), held_out(split)
        for name in scene or NUMBERS:
            report(name, read_scene(name, digits, n, lengths, seed, networks))


if __name__ == "__main__":
    typer.run(main)
