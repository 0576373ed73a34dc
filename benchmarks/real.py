"""Measure how digits are read in folders of real pictures: print tables of errors and draw contact sheets of mistakes.

    python benchmarks/real.py DIR… [--sheets runs/real]

A DIR holds `images/` and `labels.csv` (columns filename, label), or several such folders. The pictures are read as by
the service, but without HTTP; *alone* is the dense network without the line network's second opinion. A picture that
cannot be read counts as an error. Pictures labelled `none` show no digit. A second table shows how well the legibility
separates them from all digits of the run. Needs the extra `training` (matplotlib, tqdm).
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from matplotlib.figure import Figure
from PIL import Image, ImageOps
from tqdm import tqdm

from app.inference.reading import Reading
from app.preprocess.errors import PreprocessError
from app.web.answers import LEGIBLE
from evaluate import reliability, wilson_interval
from robustness import DIGITS, LINES, Networks
from training.pictures import LABELS, NO_DIGIT, files_of_labels, labels_of

PASSING = 0.98  # share of the digits that pass at the threshold at which non-digits are counted
SHOWN_PICTURES, SHOWN_CONFUSIONS, COLUMNS, TILE = 100, 8, 10, 84
GROUND = "#d8d8d8"


class Answer(NamedTuple):
    """The readings of one picture, with and without the second opinion; None if it cannot be read."""

    path: Path
    label: str
    reading: Reading | None
    alone: Reading | None

    @property
    def text(self) -> str:
        """The digit that was read, or a dash."""
        return str(self.reading.digit) if self.reading else "–"

    @property
    def is_wrong(self) -> bool:
        """Whether another digit was read, or none."""
        return self.text != self.label


def main(
    folders: Annotated[list[Path], typer.Argument(help="Folders of labelled pictures.", metavar="DIR…")],
    sheets: Annotated[Path, typer.Option(help="Folder for the contact sheets.")] = Path("runs/real"),
    model: Annotated[Path, typer.Option(help="The dense network.")] = DIGITS,
    lines_model: Annotated[Path, typer.Option(help="The line network.")] = LINES,
) -> None:
    """Measure how digits are read in folders of real pictures."""
    networks = Networks.of(model, lines_model)
    try:
        found = labelled(folders)
        answers = {name: read_all(name, labels, networks) for name, labels in found.items()}
    except OSError as error:
        typer.echo(f"{error.filename}: {error.strerror}", err=True)
        raise typer.Exit(1) from error
    if not answers:
        typer.echo(f"{', '.join(map(str, folders))}: no labels.csv lists a picture.", err=True)
        raise typer.Exit(1)
    digits, others = chosen(answers, is_digit=True), chosen(answers, is_digit=False)
    typer.echo(header("folder", "error %", "alone %", "errors", "95 % interval", "unread", "ECE %", "legible %"))
    for name, some in digits.items():
        typer.echo(row_of_digits(name, some))
    refusal = f"refused %, {PASSING:.0%} of digits pass"
    typer.echo("\n" + header("no digit", "n", "not legible %", "AUROC %", "alone %", refusal, "alone %"))
    for name, some in others.items():
        typer.echo(row_of_others(name, some, list(chain(*digits.values()))))
    sheets.mkdir(parents=True, exist_ok=True)
    for name, some in digits.items():
        wrong = sorted((answer for answer in some if answer.is_wrong), key=lambda answer: -confidence(answer.reading))
        path = draw_sheet(wrong, sheets / f"{name.replace('/', '-')}.png")
        counts = Counter(f"{answer.label}→{answer.text}" for answer in wrong).most_common(SHOWN_CONFUSIONS)
        typer.echo(f"\n{name} ({path}): {', '.join(f'{kind} ×{count}' for kind, count in counts) or 'no mistakes'}")
    for name, some in others.items():
        some = sorted(some, key=lambda answer: -legibility(answer.reading))
        path = draw_sheet(some, sheets / f"{name.replace('/', '-')}-none.png")
        typer.echo(f"\n{name} ({path}): the most legible pictures without a digit")


def header(*titles: str) -> str:
    """Format the header of a table."""
    return f"| {' | '.join(titles)} |\n{len(titles) * '|---'}|"


def labelled(folders: Iterable[Path]) -> dict[str, dict[Path, str]]:
    """Find the pictures and labels of each folder, keyed by a name that is unique among the folders."""
    found = [labels.parent.resolve() for folder in folders for labels in files_of_labels(folder)]
    pictures = {folder: labels for folder in found if (labels := labels_of(folder))}
    root = os.path.commonpath([folder.parent for folder in pictures]) if pictures else ""
    return {folder.relative_to(root).as_posix(): labels for folder, labels in pictures.items()}


def read_all(name: str, labels: dict[Path, str], networks: Networks) -> list[Answer]:
    """Read the pictures of a folder."""
    answers = []
    shown = {path: label for path, label in labels.items() if label in LABELS}  # without corrected numbers
    for path, label in tqdm(shown.items(), name, unit="picture", leave=False, disable=None):
        try:
            answers.append(Answer(path, label, *networks.read(path.read_bytes())))
        except PreprocessError:
            answers.append(Answer(path, label, None, None))
    return answers


def chosen(answers: dict[str, list[Answer]], is_digit: bool) -> dict[str, list[Answer]]:
    """Select the pictures that show a digit, or those that do not; folders without any are dropped."""
    some = {name: [a for a in group if (a.label != NO_DIGIT) == is_digit] for name, group in answers.items()}
    return {name: group for name, group in some.items() if group}


def row_of_digits(name: str, answers: Sequence[Answer]) -> str:
    """Format a folder's error, its calibration error and its share of legible pictures."""
    n, wrong = len(answers), sum(answer.is_wrong for answer in answers)
    alone = sum(answer.alone is None or str(answer.alone.digit) != answer.label for answer in answers)
    low, high = wilson_interval(wrong, n)
    read = [answer for answer in answers if answer.reading]
    ece = reliability([confidence(answer.reading) for answer in read], [not answer.is_wrong for answer in read]).error
    legible = np.mean([legibility(answer.reading) >= LEGIBLE for answer in answers])
    interval = f"{100 * low:.2f} to {100 * high:.2f} | {n - len(read)}"
    errors = f"{100 * wrong / n:.2f} | {100 * alone / n:.2f} | {wrong}/{n}"
    return f"| {name} | {errors} | {interval} | {100 * ece:.2f} | {100 * legible:.1f} |"


def row_of_others(name: str, others: Sequence[Answer], digits: Sequence[Answer]) -> str:
    """Format how well a folder's pictures without a digit are separated from the digits."""
    legible = np.mean([legibility(answer.reading) >= LEGIBLE for answer in others])
    cells = [f"{len(others)}", f"{100 * (1 - legible):.1f}"]
    for measure in (auroc, refused):
        for field in ("reading", "alone"):
            ours, theirs = ([legibility(getattr(answer, field)) for answer in group] for group in (digits, others))
            cells.append(f"{100 * measure(ours, theirs):.1f}" if digits else "–")
    return f"| {name} | {' | '.join(cells)} |"


def legibility(reading: Reading | None) -> float:
    """Return the legibility of a reading; 0 if there is none."""
    return reading.legibility if reading else 0.0


def confidence(reading: Reading | None) -> float:
    """Return the probability of the digit that was read; 0 if there is none."""
    return float(reading.probabilities.max()) if reading else 0.0


def auroc(digits: Sequence[float], others: Sequence[float]) -> float:
    """Compute the area under the ROC curve: how often a digit scores higher than another picture; ties count half."""
    ordered = np.sort(others)
    above = np.searchsorted(ordered, digits, "left")
    tied = np.searchsorted(ordered, digits, "right") - above
    return float(np.mean(above + tied / 2) / len(ordered))


def refused(digits: Sequence[float], others: Sequence[float]) -> float:
    """Compute the share of the others that score below the threshold that PASSING of the digits reach."""
    return float(np.mean(np.asarray(others) < np.quantile(digits, 1 - PASSING)))


def draw_sheet(answers: Sequence[Answer], path: Path) -> Path:
    """Draw the first pictures, each beside its frame and under its caption."""
    shown = answers[:SHOWN_PICTURES]
    rows = max(1, -(-len(shown) // COLUMNS))
    figure = Figure(figsize=(COLUMNS * 1.8, rows * 1.15), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, answer in zip(grid, shown, strict=False):
        axes.imshow(tile(answer))
        axes.set_title(f"{answer.label}→{answer.text} ({confidence(answer.reading):.0%})", fontsize=7)
    figure.savefig(path, dpi=100)
    return path


def tile(answer: Answer) -> Image.Image:
    """Draw a picture beside its frame; what cannot be read is left blank."""
    sheet = Image.new("L", (2 * TILE + 4, TILE), GROUND)
    if answer.reading:
        picture = Image.open(BytesIO(answer.path.read_bytes()))
        frame = Image.fromarray(np.uint8(255 * (1 - answer.reading.frame)))
        for image, left in ((ImageOps.exif_transpose(picture), 0), (frame, TILE + 4)):
            small = ImageOps.contain(image.convert("L"), (TILE, TILE))
            sheet.paste(small, (left + (TILE - small.width) // 2, (TILE - small.height) // 2))
    return sheet


if __name__ == "__main__":
    typer.run(main)
