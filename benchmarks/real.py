"""Measure a running service on folders of real pictures: print tables of errors and draw contact sheets of mistakes.

    python benchmarks/real.py DIR… [--url http://127.0.0.1:8000] [--sheets runs/real]

A DIR holds `images/` and `labels.csv` (columns filename, label), or several such folders. Every picture is sent over
HTTP as a raw body, since a file name could reveal its label. A refusal counts as an error.
Pictures labelled `none` show no digit. A second table shows how well the legibility separates them from all digits of
the run. A picture counts as legible from LEGIBLE on; a refused one has a legibility of 0.
Needs the extra `training` (matplotlib, tqdm).
"""

import os
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, repeat
from pathlib import Path
from typing import Annotated

import httpx2
import typer
from matplotlib.figure import Figure
from PIL import Image, ImageOps
from tqdm import tqdm

from app.web.answers import LEGIBLE
from evaluate import reliability, wilson_interval
from rejection import auroc, ccr
from training.pictures import NO_DIGIT, files_of_labels, labels_of

FALSE_POSITIVES = 0.01
AT_ONCE = 4
SHOWN_CONFUSIONS = 8
SHOWN_PICTURES = 100
COLUMNS = 10
TILE = 84
GROUND = "#d8d8d8"


@dataclass(frozen=True)
class Reading:
    """The service's answer to one picture.

    Attributes
    ----------
    path : Path
        The picture.
    label : str
        Its true digit, or NO_DIGIT.
    answer : str
        The predicted digit, or the problem type if the picture was refused.
    confidence : float
        The answer's probability; 0 if the picture was refused.
    frame : str
        The network's input, as a data URI; empty if the picture was refused.
    legibility : float
        The probability that the picture shows one whole digit; 0 if it was refused.
    """

    path: Path
    label: str
    answer: str
    confidence: float = 0.0
    frame: str = ""
    legibility: float = 0.0

    @property
    def shows_digit(self) -> bool:
        """Whether the picture shows a digit."""
        return self.label != NO_DIGIT

    @property
    def refused(self) -> bool:
        """Whether the service refused the picture."""
        return not self.frame

    @property
    def title(self) -> str:
        """A short caption."""
        if not self.shows_digit:
            return f"looks like {self.answer} ({self.legibility:.0%})"
        if self.refused:
            return f"{self.label}→{Path(self.answer).name}"
        return f"{self.label}→{self.answer} ({self.confidence:.0%})"


def main(
    folders: Annotated[list[Path], typer.Argument(help="Folders of labelled pictures.", metavar="DIR…")],
    url: Annotated[str, typer.Option(envvar="DIGITS_URL", help="URL of the service.")] = "http://127.0.0.1:8000",
    sheets: Annotated[Path, typer.Option(help="Folder for the contact sheets.")] = Path("runs/real"),
    key: Annotated[str, typer.Option(envvar="DIGITS_API_KEY", help="API key, if the service requires one.")] = "",
) -> None:
    """Measure a running service on folders of real pictures."""
    try:
        results = read_all(labelled(folders), url, key)
    except OSError as error:
        typer.echo(f"{error.filename}: {error.strerror}", err=True)
        raise typer.Exit(1) from error
    except httpx2.HTTPError as error:
        advice = "start the service with `make run`, or pass its --url and --key"
        typer.echo(f"{url} does not answer ({error}): {advice}.", err=True)
        raise typer.Exit(1) from error
    if not results:
        typer.echo(f"{', '.join(map(str, folders))}: no labels.csv lists a picture.", err=True)
        raise typer.Exit(1)
    sheets.mkdir(parents=True, exist_ok=True)
    digits, others = showing(results, digit=True), showing(results, digit=False)
    if digits:
        typer.echo(table(digits))
    if others:
        typer.echo("\n" + table_of_others(others, list(chain(*digits.values()))))
    for name, readings in digits.items():
        wrong = mistakes(readings)
        path = draw_sheet(wrong, sheets / f"{name.replace('/', '-')}.png")
        typer.echo(f"\n{name} ({path}): {confusions(wrong)}")
    for name, readings in others.items():
        path = draw_sheet(most_legible(readings), sheets / f"{name.replace('/', '-')}-none.png")
        typer.echo(f"\n{name} ({path}): the most legible pictures without a digit")


def labelled(folders: Iterable[Path]) -> dict[str, dict[Path, str]]:
    """Find the pictures and labels of each folder, keyed by a name that is unique among the folders."""
    found = [labels.parent.resolve() for folder in folders for labels in files_of_labels(folder)]
    pictures = {folder: labels_of(folder) for folder in found}
    pictures = {folder: labels for folder, labels in pictures.items() if labels}
    root = os.path.commonpath([folder.parent for folder in pictures]) if pictures else ""
    return {folder.relative_to(root).as_posix(): labels for folder, labels in pictures.items()}


def read_all(pictures: dict[str, dict[Path, str]], url: str, key: str = "") -> dict[str, list[Reading]]:
    """Send every picture of every folder to the service."""
    results, headers = {}, {"X-API-Key": key} if key else {}
    with httpx2.Client(base_url=url, headers=headers, timeout=30) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        for name, labels in pictures.items():
            readings = pool.map(read, repeat(client), labels.keys(), labels.values())
            results[name] = list(tqdm(readings, name, total=len(labels), unit="picture", disable=None))
    return results


def read(client: httpx2.Client, path: Path, label: str) -> Reading:
    """Send one picture to the service."""
    answer = client.post(
        "/predict",
        params={"frame": True},
        content=path.read_bytes(),
        headers={"content-type": "application/octet-stream"},
    )
    if answer.status_code != 401 and answer.headers.get("content-type") == "application/problem+json":
        return Reading(path, label, answer.json()["type"])
    prediction = answer.raise_for_status().json()
    legibility = prediction.get("legibility", 1.0)  # older services do not report it
    return Reading(path, label, str(prediction["digit"]), prediction["confidence"], prediction["frame"], legibility)


def showing(results: dict[str, list[Reading]], digit: bool) -> dict[str, list[Reading]]:
    """Select the readings of pictures that show a digit, or of those that do not; folders without any are dropped."""
    chosen = {name: [r for r in readings if r.shows_digit == digit] for name, readings in results.items()}
    return {name: readings for name, readings in chosen.items() if readings}


def mistakes(readings: Iterable[Reading]) -> list[Reading]:
    """Return refused pictures, then misread ones, most confident first."""
    wrong = [reading for reading in readings if reading.answer != reading.label]
    return sorted(wrong, key=lambda reading: (not reading.refused, -reading.confidence))


def table(results: dict[str, list[Reading]]) -> str:
    """Format each folder's error, calibration error and share of legible pictures as a Markdown table."""
    lines = [
        "| folder | error % | errors/n | 95 % interval | refused | ECE % | legible % |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, readings in results.items():
        wrong, n = mistakes(readings), len(readings)
        low, high = wilson_interval(len(wrong), n)
        refused = sum(reading.refused for reading in wrong)
        answered = [reading for reading in readings if not reading.refused]
        ece = reliability([r.confidence for r in answered], [r.answer == r.label for r in answered]).error
        cells = f"{100 * len(wrong) / n:.2f} | {len(wrong)}/{n} | {100 * low:.2f} to {100 * high:.2f}"
        lines.append(f"| {name} | {cells} | {refused} | {100 * ece:.2f} | {100 * legible(readings):.1f} |")
    return "\n".join(lines)


def table_of_others(others: dict[str, list[Reading]], digits: list[Reading]) -> str:
    """Format how well each folder's pictures without a digit are separated from the digits, as a Markdown table."""
    lines = [
        f"| no digit | n | not legible % | AUROC % | CCR at {FALSE_POSITIVES:.0%} FPR, % |",
        "|---|---|---|---|---|",
    ]
    scores, correct = [r.legibility for r in digits], [r.answer == r.label for r in digits]
    for name, readings in others.items():
        own = [reading.legibility for reading in readings]
        separation = "– | –"
        if digits:
            rate = ccr(scores, correct, own, FALSE_POSITIVES)
            separation = f"{100 * auroc(scores, own):.2f} | {100 * rate:.1f}"
        lines.append(f"| {name} | {len(own)} | {100 * (1 - legible(readings)):.1f} | {separation} |")
    return "\n".join(lines)


def legible(readings: Sequence[Reading]) -> float:
    """Return the share of pictures that count as legible."""
    return sum(reading.legibility >= LEGIBLE for reading in readings) / len(readings)


def most_legible(readings: Iterable[Reading]) -> list[Reading]:
    """Return the pictures that were not refused, most legible first."""
    return sorted((r for r in readings if not r.refused), key=lambda reading: -reading.legibility)


def confusions(wrong: Iterable[Reading]) -> str:
    """List the most common confusions, then all refusals by type, with their counts."""
    wrong = list(wrong)
    confused = Counter(f"{reading.label}→{reading.answer}" for reading in wrong if not reading.refused)
    refused = Counter(reading.answer for reading in wrong if reading.refused)
    counts = confused.most_common(SHOWN_CONFUSIONS) + refused.most_common()
    return ", ".join(f"{confusion} ×{count}" for confusion, count in counts) or "no mistakes"


def draw_sheet(readings: Sequence[Reading], path: Path) -> Path:
    """Draw the first pictures, each beside its frame and under its caption."""
    shown = readings[:SHOWN_PICTURES]
    rows = max(1, -(-len(shown) // COLUMNS))
    figure = Figure(figsize=(COLUMNS * 1.8, rows * 1.15), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, reading in zip(grid, shown, strict=False):
        axes.imshow(tile(reading))
        axes.set_title(reading.title, fontsize=7)
    figure.savefig(path, dpi=100)
    return path


def tile(reading: Reading) -> Image.Image:
    """Draw a picture beside its frame; a missing one is left blank."""
    sheet = Image.new("RGBA", (2 * TILE + 4, TILE), GROUND)
    for file, left in ((reading.path.read_bytes(), 0), (b64decode(reading.frame.partition(",")[2]), TILE + 4)):
        if image := open_if_picture(file):
            sheet.alpha_composite(image, (left + (TILE - image.width) // 2, (TILE - image.height) // 2))
    return sheet


def open_if_picture(file: bytes) -> Image.Image | None:
    """Open a file as a picture that fits a tile, or return None, since refused files may not be pictures."""
    try:
        image = ImageOps.exif_transpose(Image.open(BytesIO(file))).convert("RGBA")
    except Exception:  # Pillow's parsers raise any kind of exception on broken bytes
        return None
    return ImageOps.contain(image, (TILE, TILE))


if __name__ == "__main__":
    typer.run(main)
