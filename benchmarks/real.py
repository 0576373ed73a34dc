"""Measure how digits are read in folders of real pictures, and list the mistakes.

    make real REAL="DIR…"

A DIR holds `images/` and `labels.csv` (columns filename, label), or several such folders. The pictures are read as by
the service, but without HTTP; *alone* is the dense network without the line network's second opinion. A picture that
cannot be read counts as wrong. Pictures labelled `none` show no digit: a second table shows how well the legibility
separates them from all digits of the run. For `/read`, the text without marks has to be the digit, or empty. Needs the
extra `training`.
"""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from tqdm import tqdm

from app.inference.reading import Reading
from app.web.answers import LEGIBLE
from measuring import LinesModel, Model, Networks, calibration, calibration_error, header, percent, row
from training.config import LINES_MODEL, MODEL
from training.pictures import LABELS, NO_DIGIT, files_of_labels, labels_of

PASSING = 0.98  # share of the digits that pass at the threshold at which non-digits are counted
LISTED = 30  # mistakes


class Answer(NamedTuple):
    """How one picture is read: with the second opinion, alone, and as a number."""

    path: Path
    label: str
    reading: Reading | None
    alone: Reading | None
    text: str

    @property
    def confidence(self) -> float:
        """The probability of the digit that was read; 0 if there is none."""
        return float(self.reading.probabilities.max()) if self.reading else 0.0


def digit_of(reading: Reading | None) -> str:
    """Return the digit that was read, or a dash."""
    return str(reading.digit) if reading else "–"


def labelled(folders: Sequence[Path]) -> dict[Path, dict[Path, str]]:
    """Find the labels of a digit, or of none, in each folder that has any; corrected numbers are left out."""
    found = {file.parent: labels_of(file.parent) for folder in folders for file in files_of_labels(folder)}
    of_digits = {
        folder: {path: label for path, label in labels.items() if label in LABELS} for folder, labels in found.items()
    }
    return {folder: labels for folder, labels in of_digits.items() if labels}


def read_all(labels: dict[Path, str], networks: Networks) -> list[Answer]:
    """Read the pictures of a folder."""
    answers = []
    for path, label in tqdm(labels.items(), unit="picture", leave=False, disable=None):
        picture = path.read_bytes()
        answers.append(Answer(path, label, *networks.read(picture), networks.text(picture)))
    return answers


def legibilities(readings: Sequence[Reading | None]) -> list[float]:
    """Return the legibility of each reading; 0 if there is none."""
    return [reading.legibility if reading else 0.0 for reading in readings]


def auroc(digits: Sequence[float], others: Sequence[float]) -> float:
    """Compute the area under the ROC curve: how often a digit scores higher than another picture; ties count half."""
    ordered = np.sort(others)
    ranks = np.searchsorted(ordered, digits, "left") + np.searchsorted(ordered, digits, "right")
    return float(np.mean(ranks) / 2 / len(ordered))


def refused(digits: Sequence[float], others: Sequence[float]) -> float:
    """Compute the share of the others that score below the threshold that PASSING of the digits reach."""
    return float(np.mean(np.asarray(others) < np.quantile(digits, 1 - PASSING)))


def row_of_digits(name: str, answers: Sequence[Answer]) -> None:
    """Print how a folder's digits are read."""
    wrong, alone = ([digit_of(getattr(a, kind)) != a.label for a in answers] for kind in ("reading", "alone"))
    bins = calibration([answer.confidence for answer in answers], np.logical_not(wrong))
    text = np.mean([answer.text == answer.label for answer in answers])
    legible = np.mean(np.array(legibilities([answer.reading for answer in answers])) >= LEGIBLE)
    shares = [f"{100 * share:.2f} %" for share in (np.mean(alone), text, legible, calibration_error(bins))]
    row([name, percent(sum(wrong), len(wrong)), *shares])


def row_of_others(name: str, others: Sequence[Answer], digits: Sequence[Answer]) -> None:
    """Print how well a folder's pictures without a digit are separated from the digits."""
    scores = [
        [legibilities([getattr(a, kind) for a in group]) for group in (digits, others)] for kind in ("reading", "alone")
    ]
    cells = [np.mean(np.array(scores[0][1]) < LEGIBLE), np.mean([answer.text == "" for answer in others])]
    if digits:
        cells += [measure(*pair) for measure in (auroc, refused) for pair in scores]
    row([name, len(others), *(f"{100 * cell:.1f} %" for cell in cells)])


def main(
    folders: Annotated[list[Path], typer.Argument(help="Folders of labelled pictures.", metavar="DIR…")],
    model: Model = MODEL,
    lines_model: LinesModel = LINES_MODEL,
) -> None:
    """Measure how digits are read in folders of real pictures."""
    networks = Networks.of(model, lines_model)
    try:
        answers = {str(folder): read_all(labels, networks) for folder, labels in labelled(folders).items()}
    except OSError as error:
        raise SystemExit(f"{error.filename}: {error.strerror}") from error
    if not answers:
        raise SystemExit(f"{', '.join(map(str, folders))}: no labels.csv lists a picture.")
    digits = {name: [a for a in some if a.label != NO_DIGIT] for name, some in answers.items()}
    header("pictures", "wrong (95 % interval)", "alone", "`/read` right", "legibility above 0.5", "ECE")
    for name, some in digits.items():
        if some:
            row_of_digits(name, some)
    typer.echo()
    header(
        "no digit",
        "n",
        "below 0.5",
        "`/read` empty",
        "AUROC",
        "alone",
        f"refused, {PASSING:.0%} of digits pass",
        "alone",
    )
    for name, some in answers.items():
        if others := [answer for answer in some if answer.label == NO_DIGIT]:
            row_of_others(name, others, list(chain(*digits.values())))
    wrong = [answer for answer in chain(*digits.values()) if digit_of(answer.reading) != answer.label]
    typer.echo(f"\nThe most confident of {len(wrong)} mistakes:")
    for answer in sorted(wrong, key=lambda answer: -answer.confidence)[:LISTED]:
        typer.echo(f"{answer.path}: {answer.label} read as {digit_of(answer.reading)} ({answer.confidence:.0%})")


if __name__ == "__main__":
    typer.run(main)
