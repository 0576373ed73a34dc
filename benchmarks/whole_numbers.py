"""Measure how well numbers are read, in pictures made from MNIST's digits or in your own folder over HTTP.

    python benchmarks/whole_numbers.py [--split validation|test] [--n 500] [--scene NAME ...] [--lengths 2 5]
    python benchmarks/whole_numbers.py --folder DIR [--url http://127.0.0.1:8000]

Each scene of `training.strings` writes numbers, which are read as `/read` reads them. A DIR holds `images/` and
`labels.csv` (columns filename, label). A label is the text, with spaces between lines, or `none`. A number is right if
its text matches exactly. Errors in single digits are counted by the edit distance. A refused picture counts as an empty
text. Needs the extra `training`.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
from tqdm import tqdm

from app.inference.classifier import Classifier
from app.inference.text import read_text_bytes
from app.preprocess.errors import PreprocessError
from training import data, strings
from training.config import MODEL
from training.evaluate import wilson_interval

SCENES = [*strings.SCENES, strings.TWO_LINES]
NONE = "none"  # label of a picture without digits


class Read(NamedTuple):
    """The text written in a picture, and the text that was read."""

    label: str
    text: str


def read_scene(scene: str, digits: data.Digits, options: argparse.Namespace, model: Classifier) -> Iterator[Read]:
    """Read every number of a scene."""
    images, labels = digits.images.numpy(), digits.labels.numpy()
    for index in tqdm(range(options.n), scene, unit="picture", leave=False, disable=None):
        number = strings.number(scene, images, labels, options.seed, index, tuple(options.lengths))
        try:
            yield Read(number.text, read_text_bytes(number.picture, model).text)
        except PreprocessError:
            yield Read(number.text, "")


def read_folder(folder: Path, url: str) -> Iterator[Read]:
    """Send every picture of a folder to a running service."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with httpx2.Client(base_url=url, timeout=30) as client:
        for row in tqdm(rows, folder.name, unit="picture", leave=False, disable=None):
            body = (folder / "images" / row["filename"]).read_bytes()
            answer = client.post("/read", content=body, headers={"content-type": "application/octet-stream"})
            if answer.is_server_error:
                answer.raise_for_status()
            label = "" if row["label"] == NONE else "\n".join(row["label"].split())
            yield Read(label, answer.json().get("text", ""))


def distance(written: str, read: str) -> int:
    """Compute the edit distance (Levenshtein 1966): the minimum number of digits to change, add or remove."""
    row = list(range(len(read) + 1))
    for place, digit in enumerate(written, 1):
        before, row[0] = row[0], place
        for index, other in enumerate(read, 1):
            before, row[index] = row[index], min(row[index] + 1, row[index - 1] + 1, before + (digit != other))
    return row[-1]


def line(name: str, numbers: Iterable[Read]) -> str:
    """Format a row of the table."""
    read = list(numbers)
    right = sum(number.text == number.label for number in read)
    long = sum(len(number.text) == len(number.label) for number in read)
    digits = sum(len(number.label.replace("\n", "")) for number in read)
    wrong = sum(distance(number.label, number.text) for number in read)
    low, high = wilson_interval(right, len(read))
    of_digits = f"{100 * (1 - wrong / digits):.1f}" if digits else "–"
    share = f"{100 * right / len(read):.1f} | {right}/{len(read)} | {100 * low:.1f} to {100 * high:.1f}"
    return f"| {name} | {share} | {of_digits} | {100 * long / len(read):.1f} |\n"


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Measure how well numbers are read.")
    parser.add_argument("--split", choices=["validation", "test"], default="test")
    parser.add_argument("--n", type=int, default=500, help="numbers per scene")
    parser.add_argument("--lengths", type=int, nargs=2, default=[2, 5], help="minimum and maximum digits per line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--scene", nargs="+", choices=SCENES, default=SCENES, metavar="NAME")
    parser.add_argument("--folder", type=Path, nargs="+", help="folders to send to a running service instead")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    return parser.parse_args()


def main() -> None:
    """Measure every scene, or every folder."""
    options = arguments()
    sys.stdout.write("| numbers | right % | right | 95 % interval | digits right % | length right % |\n")
    sys.stdout.write("|---|---|---|---|---|---|\n")
    if options.folder:
        for folder in options.folder:
            sys.stdout.write(line(folder.name, read_folder(folder, options.url)))
        return
    digits = data.load(None, train=options.split == "validation")
    digits = data.split(digits)[1] if options.split == "validation" else digits
    model = Classifier(options.model)
    for scene in options.scene:
        sys.stdout.write(line(scene, read_scene(scene, digits, options, model)))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
