"""Measure how well numbers are read, in pictures made from MNIST's digits or in your own folder over HTTP.

    python benchmarks/whole_numbers.py [--split validation|test] [--n 500] [--scene NAME ...] [--lengths 2 5]
    python benchmarks/whole_numbers.py --folder DIR [--no-marks] [--url http://127.0.0.1:8000]

Each scene of `strings.py` writes numbers, whose digits are compared with those of the answer; the scenes of `marks.py`
are compared with the text as written. A DIR holds `images/` and `labels.csv` (columns filename, label). A label is the
text, or `none`; a space in it may also be a line break in the answer. With `--no-marks`, only the digits are compared,
and a space stands for a line break. A number is right if its text matches exactly. Errors in single digits are counted
by the edit distance. A refused picture counts as an empty text. The last column is the mean processor time for a
picture. Needs the extra `training`.
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import numpy as np
from tqdm import tqdm

import marks
import strings
from app.inference.lines import LineNetwork
from app.inference.text import read_text
from app.preprocess.errors import PreprocessError
from evaluate import wilson_interval
from training import data

MODEL = Path(__file__).parent.parent / "models" / "lines.onnx"
SCENES = [*strings.SCENES, strings.TWO_LINES, *marks.SCENES]
NONE = "none"  # label of a picture without digits


class Read(NamedTuple):
    """The text written in a picture, the text that was read, and the processor time in milliseconds, if known."""

    label: str
    text: str
    milliseconds: float = np.nan


def read_scene(scene: str, digits: data.Digits, options: argparse.Namespace, network: LineNetwork) -> Iterator[Read]:
    """Read every number of a scene."""
    images, labels = digits.images.numpy(), digits.labels.numpy()
    for index in tqdm(range(options.n), scene, unit="picture", leave=False, disable=None):
        if scene in marks.SCENES:
            number = marks.number(scene, images, labels, options.seed, index)
        else:
            number = strings.number(scene, images, labels, options.seed, index, tuple(options.lengths))
        began = time.process_time()
        text = read(number.picture, network, scene in marks.SCENES)
        yield Read(number.text, text, 1000 * (time.process_time() - began))


def read(picture: bytes, network: LineNetwork, with_marks: bool) -> str:
    """Read a picture as the service does, with or without marks."""
    try:
        text = read_text(picture, network)
    except PreprocessError:
        return ""
    return text.text if with_marks else text.digits_only().text


def read_folder(folder: Path, url: str, with_marks: bool = True) -> Iterator[Read]:
    """Send every picture of a folder to a running service."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with httpx2.Client(base_url=url, timeout=30) as client:
        for row in tqdm(rows, folder.name, unit="picture", leave=False, disable=None):
            body = (folder / "images" / row["filename"]).read_bytes()
            headers = {"content-type": "application/octet-stream"}
            answer = client.post("/read", params={"marks": with_marks}, content=body, headers=headers)
            if answer.is_server_error:
                answer.raise_for_status()
            label, text = "" if row["label"] == NONE else row["label"], answer.json().get("text", "")
            if with_marks:
                yield Read(" ".join(label.split()), " ".join(text.split()))
            else:
                yield Read(digits_of("\n".join(label.split())), text)


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


def digits_right(numbers: Iterable[Read]) -> float:
    """Return the share of the digits that were read; NaN if none was written."""
    pairs = [(digits_of(number.label), digits_of(number.text)) for number in numbers]
    count = sum(len(label.replace("\n", "")) for label, _ in pairs)
    return 1 - sum(distance(*pair) for pair in pairs) / count if count else np.nan


def line(name: str, numbers: Iterable[Read]) -> str:
    """Format a row of the table."""
    found = list(numbers)
    right = sum(number.text == number.label for number in found)
    long = sum(len(number.text) == len(number.label) for number in found)
    low, high = wilson_interval(right, len(found))
    share = f"{100 * right / len(found):.1f} | {right}/{len(found)} | {100 * low:.1f} to {100 * high:.1f}"
    milliseconds = np.mean([number.milliseconds for number in found])
    rest = [100 * digits_right(found), 100 * long / len(found), milliseconds]
    return f"| {name} | {share} | {' | '.join('–' if np.isnan(value) else f'{value:.1f}' for value in rest)} |\n"


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
    parser.add_argument(
        "--marks", action=argparse.BooleanOptionalAction, default=True, help="compare a folder's text as written"
    )
    return parser.parse_args()


def main() -> None:
    """Measure every scene, or every folder."""
    options = arguments()
    sys.stdout.write("| numbers | text right % | right | 95 % interval | digits right % | length right % | ms |\n")
    sys.stdout.write("|---|---|---|---|---|---|---|\n")
    if options.folder:
        for folder in options.folder:
            sys.stdout.write(line(folder.name, read_folder(folder, options.url, options.marks)))
        return
    digits = data.load(None, train=options.split == "validation")
    digits = data.split(digits)[1] if options.split == "validation" else digits
    network = LineNetwork(options.model)
    for scene in options.scene:
        sys.stdout.write(line(scene, read_scene(scene, digits, options, network)))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
