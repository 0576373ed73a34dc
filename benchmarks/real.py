"""Measure how digits are read in folders of real pictures, and list the mistakes.

    make real REAL="DIR…"

A DIR holds `images/` and `labels.csv` (columns filename, label), or several such folders. The pictures are read as by
the service, but without HTTP. A picture that cannot be read counts as wrong. Pictures labelled `none` show no digit: a
second table shows how well the legibility separates them from all digits of the run (AUROC: how often a digit's is
higher). Needs the extra `training`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from tqdm import tqdm

from app.web.answers import LEGIBLE
from measuring import LinesModel, Model, Networks, header, percent, row
from training.config import LINES_MODEL, MODEL
from training.pictures import LABELS, NO_DIGIT, files_of_labels, labels_of

LISTED = 30  # mistakes


class Answer(NamedTuple):
    """How one picture is read; all of it is 0 if it cannot be, and the digit a dash."""

    path: Path
    label: str
    digit: str
    confidence: float
    legibility: float


def labelled(folders: Sequence[Path]) -> dict[Path, dict[Path, str]]:
    """Find the labels of a digit, or of none, in each folder that has any; corrected numbers are left out."""
    found = {file.parent: labels_of(file.parent) for folder in folders for file in files_of_labels(folder)}
    of_digits = {
        folder: {path: label for path, label in labels.items() if label in LABELS} for folder, labels in found.items()
    }
    return {folder: labels for folder, labels in of_digits.items() if labels}


def read(path: Path, label: str, networks: Networks) -> Answer:
    """Read a picture."""
    if (reading := networks.predict(path.read_bytes())) is None:
        return Answer(path, label, "–", 0.0, 0.0)
    return Answer(path, label, str(reading.digit), float(reading.probabilities.max()), reading.legibility)


def auroc(digits: Sequence[float], others: Sequence[float]) -> float:
    """Compute the area under the ROC curve: how often a digit scores higher than another picture; ties count half."""
    ordered = np.sort(others)
    ranks = np.searchsorted(ordered, digits, "left") + np.searchsorted(ordered, digits, "right")
    return float(np.mean(ranks) / 2 / len(ordered))


def main(
    folders: Annotated[list[Path], typer.Argument(help="Folders of labelled pictures.", metavar="DIR…")],
    model: Model = MODEL,
    lines_model: LinesModel = LINES_MODEL,
) -> None:
    """Measure how digits are read in folders of real pictures."""
    networks, digits, others = Networks.of(model, lines_model), dict[Path, list[Answer]](), dict[Path, list[Answer]]()
    try:
        for folder, labels in labelled(folders).items():
            for path, label in tqdm(labels.items(), folder.name, unit="picture", leave=False, disable=None):
                kind = others if label == NO_DIGIT else digits
                kind.setdefault(folder, []).append(read(path, label, networks))
    except OSError as error:
        raise SystemExit(f"{error.filename}: {error.strerror}") from error
    if not digits and not others:
        raise SystemExit(f"{', '.join(map(str, folders))}: no labels.csv lists a picture.")
    header("digits", "wrong (95 % interval)", f"legibility below {LEGIBLE}")
    for folder, answers in digits.items():
        illegible = percent(sum(answer.legibility < LEGIBLE for answer in answers), len(answers))
        row([folder, percent(sum(answer.digit != answer.label for answer in answers), len(answers)), illegible])
    typer.echo()
    header("no digit", f"legibility below {LEGIBLE}", "AUROC")
    of_digits = [answer.legibility for answers in digits.values() for answer in answers]
    for folder, answers in others.items():
        scores = [answer.legibility for answer in answers]
        area = f"{auroc(of_digits, scores):.1%}" if digits else ""
        row([folder, percent(sum(score < LEGIBLE for score in scores), len(scores)), area])
    wrong = [answer for answers in digits.values() for answer in answers if answer.digit != answer.label]
    typer.echo(f"\nThe most confident of {len(wrong)} mistakes:")
    for answer in sorted(wrong, key=lambda answer: -answer.confidence)[:LISTED]:
        typer.echo(f"{answer.path}: {answer.label} read as {answer.digit} ({answer.confidence:.0%})")


if __name__ == "__main__":
    typer.run(main)
