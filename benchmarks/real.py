"""Measure a running service on folders of real digits: a table of errors, and a sheet of what went wrong.

    python benchmarks/real.py DIR… [--url http://127.0.0.1:8000] [--sheets runs/real]

A DIR holds `images/` and `labels.csv` (columns filename, label), or it is a folder of such folders. Every
picture is sent over HTTP as bare bytes, since a file's name may tell its label. A refusal counts as an error.
Ignores: pictures labelled `none`, which show no digit, and how long an answer takes. Needs the extra
`training` (matplotlib, tqdm).
"""

import csv
import os
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import repeat
from pathlib import Path
from typing import Annotated

import httpx2
import typer
from matplotlib.figure import Figure
from PIL import Image, ImageOps
from tqdm import tqdm

from training.evaluate import reliability, wilson_interval

AT_ONCE = 4
SHOWN_CONFUSIONS = 8
SHOWN_MISTAKES = 100
COLUMNS = 10
TILE = 84
GROUND = "#d8d8d8"


@dataclass(frozen=True)
class Reading:
    """What the service made of one picture.

    Attributes
    ----------
    path : Path
        The picture.
    label : str
        Its true digit.
    answer : str
        The digit that was read, or the type of the problem that refused the picture.
    confidence : float
        The answer's probability; 0 where the picture was refused.
    frame : str
        What the network saw, as a data URI; empty where the picture was refused.
    """

    path: Path
    label: str
    answer: str
    confidence: float = 0.0
    frame: str = ""

    @property
    def refused(self) -> bool:
        """Whether the service gave no digit."""
        return not self.frame

    @property
    def title(self) -> str:
        """The mistake in a few words."""
        if self.refused:
            return f"{self.label}→{Path(self.answer).name}"
        return f"{self.label}→{self.answer} ({self.confidence:.0%})"


def main(
    folders: Annotated[list[Path], typer.Argument(help="Folders of labelled pictures.", metavar="DIR…")],
    url: Annotated[str, typer.Option(envvar="DIGITS_URL", help="The service to ask.")] = "http://127.0.0.1:8000",
    sheets: Annotated[Path, typer.Option(help="Where the sheets of mistakes go.")] = Path("runs/real"),
) -> None:
    """Measure a running service on folders of real digits."""
    try:
        results = read_all(labelled(folders), url)
    except OSError as error:
        typer.echo(f"{error.filename}: {error.strerror}", err=True)
        raise typer.Exit(1) from error
    except httpx2.HTTPError as error:
        typer.echo(f"{url} does not answer ({error}): start it with `make run`, or name it with --url.", err=True)
        raise typer.Exit(1) from error
    if not results:
        typer.echo(f"{', '.join(map(str, folders))}: no labels.csv with a digit in it.", err=True)
        raise typer.Exit(1)
    typer.echo(table(results))
    sheets.mkdir(parents=True, exist_ok=True)
    for name, readings in results.items():
        wrong = mistakes(readings)
        path = sheets / f"{name.replace('/', '-')}.png"
        draw_sheet(wrong[:SHOWN_MISTAKES], path)
        typer.echo(f"\n{name} ({path}): {confusions(wrong)}")


def labelled(folders: Iterable[Path]) -> dict[str, dict[Path, str]]:
    """The digits' pictures and labels of each folder that has any, by a name that tells the folders apart."""
    found = [labels.parent.resolve() for folder in folders for labels in files_of_labels(folder)]
    pictures = {folder: labels_of(folder) for folder in found}
    pictures = {folder: labels for folder, labels in pictures.items() if labels}
    root = os.path.commonpath([folder.parent for folder in pictures]) if pictures else ""
    return {folder.relative_to(root).as_posix(): labels for folder, labels in pictures.items()}


def files_of_labels(folder: Path) -> list[Path]:
    """A folder's own labels.csv, or else those of the folders in it."""
    own = folder / "labels.csv"
    return [own] if own.exists() else sorted(folder.glob("*/labels.csv"))


def labels_of(folder: Path) -> dict[Path, str]:
    """A folder's pictures of digits, and which digit each shows."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        return {
            folder / "images" / row["filename"]: row["label"] for row in csv.DictReader(file) if row["label"] != "none"
        }


def read_all(pictures: dict[str, dict[Path, str]], url: str) -> dict[str, list[Reading]]:
    """Ask the service for every picture of every folder."""
    results = {}
    with httpx2.Client(base_url=url, timeout=30) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        for name, labels in pictures.items():
            readings = pool.map(read, repeat(client), labels.keys(), labels.values())
            results[name] = list(tqdm(readings, name, total=len(labels), unit="picture", disable=None))
    return results


def read(client: httpx2.Client, path: Path, label: str) -> Reading:
    """Ask the service for one picture."""
    answer = client.post(
        "/predict",
        params={"frame": True},
        content=path.read_bytes(),
        headers={"content-type": "application/octet-stream"},
    )
    if answer.headers.get("content-type") == "application/problem+json":
        return Reading(path, label, answer.json()["type"])
    prediction = answer.raise_for_status().json()
    return Reading(path, label, str(prediction["digit"]), prediction["confidence"], prediction["frame"])


def mistakes(readings: Iterable[Reading]) -> list[Reading]:
    """What was refused, then what was read wrong, the most confident first."""
    wrong = [reading for reading in readings if reading.answer != reading.label]
    return sorted(wrong, key=lambda reading: (not reading.refused, -reading.confidence))


def table(results: dict[str, list[Reading]]) -> str:
    """The error of each folder and the calibration error of its answers, as a Markdown table."""
    lines = ["| folder | error % | errors/n | 95 % interval | refused | ECE % |", "|---|---|---|---|---|---|"]
    for name, readings in results.items():
        wrong, n = mistakes(readings), len(readings)
        low, high = wilson_interval(len(wrong), n)
        refused = sum(reading.refused for reading in wrong)
        answered = [reading for reading in readings if not reading.refused]
        ece = reliability([r.confidence for r in answered], [r.answer == r.label for r in answered]).error
        cells = f"{100 * len(wrong) / n:.2f} | {len(wrong)}/{n} | {100 * low:.2f} to {100 * high:.2f}"
        lines.append(f"| {name} | {cells} | {refused} | {100 * ece:.2f} |")
    return "\n".join(lines)


def confusions(wrong: Iterable[Reading]) -> str:
    """The commonest confusions, then all refusals by their type, each with its count."""
    wrong = list(wrong)
    confused = Counter(f"{reading.label}→{reading.answer}" for reading in wrong if not reading.refused)
    refused = Counter(reading.answer for reading in wrong if reading.refused)
    counts = confused.most_common(SHOWN_CONFUSIONS) + refused.most_common()
    return ", ".join(f"{what} ×{count}" for what, count in counts) or "no mistakes"


def draw_sheet(wrong: Sequence[Reading], path: Path) -> None:
    """Draw each picture beside the frame that the network saw, under its title."""
    rows = max(1, -(-len(wrong) // COLUMNS))
    figure = Figure(figsize=(COLUMNS * 1.8, rows * 1.15), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, reading in zip(grid, wrong, strict=False):
        axes.imshow(tile(reading))
        axes.set_title(reading.title, fontsize=7)
    figure.savefig(path, dpi=100)


def tile(reading: Reading) -> Image.Image:
    """A picture as sent, and beside it the frame; bare ground where there is neither."""
    sheet = Image.new("RGBA", (2 * TILE + 4, TILE), GROUND)
    for file, left in ((reading.path.read_bytes(), 0), (b64decode(reading.frame.partition(",")[2]), TILE + 4)):
        if image := open_if_picture(file):
            sheet.alpha_composite(image, (left + (TILE - image.width) // 2, (TILE - image.height) // 2))
    return sheet


def open_if_picture(file: bytes) -> Image.Image | None:
    """A file as a picture that fits a tile; None where it is no picture, as refused ones may be."""
    try:
        image = ImageOps.exif_transpose(Image.open(BytesIO(file))).convert("RGBA")
    except Exception:  # Pillow's parsers raise whatever broken bytes make them raise
        return None
    return ImageOps.contain(image, (TILE, TILE))


if __name__ == "__main__":
    typer.run(main)
