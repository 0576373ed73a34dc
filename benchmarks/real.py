"""Measure how digits are read in folders of real pictures, and list the mistakes.

    make real REAL="DIR…"

A DIR holds `images/` and `labels.csv` (columns filename, label and, if needed, page),
or several such folders. The pictures are read as by the service, but without HTTP. A
picture that cannot be read counts as wrong. Pictures labelled `none` show no digit: a
second table shows how well the legibility separates them from all digits of the run
(AUROC: how often a digit's is higher). *Alone* is the dense network without the line
network's second opinion. Needs the extra `training`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from tqdm import tqdm

from app.answers.responses import LEGIBLE
from measuring import LinesModel, Model, Served, header, percent, row
from training.config import LINES_MODEL, MODEL, PAGES_MODEL
from training.pictures import LABELS, NO_DIGIT, Page, files_of_labels, labels_of

LISTED = 30  # mistakes
PASSING = 0.98  # share of the digits that pass where non-digits are counted


class Answer(NamedTuple):
    """How one picture is read, also without the second opinion; all is 0 if it cannot
    be, and the digit a dash.
    """

    page: Page
    label: str
    digit: str = "–"
    confidence: float = 0.0
    legibility: float = 0.0
    digit_alone: str = "–"
    legibility_alone: float = 0.0


def labelled(folders: Sequence[Path]) -> dict[Path, dict[Page, str]]:
    """Find the labels of a digit, or of none, in each folder that has any; corrected
    numbers are left out.
    """
    found = {
        file.parent: labels_of(file.parent)
        for folder in folders
        for file in files_of_labels(folder)
    }
    of_digits = {
        folder: {page: label for page, label in labels.items() if label in LABELS}
        for folder, labels in found.items()
    }
    return {folder: labels for folder, labels in of_digits.items() if labels}


def read(page: Page, label: str, networks: Served) -> Answer:
    """Read a picture."""
    reading, alone = (
        each.predict(page.file.read_bytes(), page.number)
        for each in (networks, networks.alone)
    )
    if reading is None or alone is None:
        return Answer(page, label)
    sure = float(reading.probabilities.max())
    return Answer(
        page,
        label,
        str(reading.digit),
        sure,
        reading.legibility,
        str(alone.digit),
        alone.legibility,
    )


def auroc(digits: Sequence[float], others: Sequence[float]) -> float:
    """Compute the area under the ROC curve: how often a digit scores higher than
    another picture; ties count half.
    """
    ordered = np.sort(others)
    ranks = np.searchsorted(ordered, digits, "left") + np.searchsorted(
        ordered, digits, "right"
    )
    return float(np.mean(ranks) / 2 / len(ordered))


def refused(digits: Sequence[float], others: Sequence[float]) -> float:
    """Compute the share of the others below the legibility that PASSING of the digits
    reach.
    """
    return float(np.mean(np.asarray(others) < np.quantile(digits, 1 - PASSING)))


def main(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of labelled pictures.", metavar="DIR…")
    ],
    model: Model = MODEL,
    lines_model: LinesModel = LINES_MODEL,
) -> None:
    """Measure how digits are read in folders of real pictures."""
    networks, digits, others = (
        Served.load(model, lines_model, PAGES_MODEL),
        dict[Path, list[Answer]](),
        dict[Path, list[Answer]](),
    )
    try:
        for folder, labels in labelled(folders).items():
            for page, label in tqdm(
                labels.items(), folder.name, unit="picture", leave=False, disable=None
            ):
                kind = others if label == NO_DIGIT else digits
                kind.setdefault(folder, []).append(read(page, label, networks))
    except OSError as error:
        raise SystemExit(f"{error.filename}: {error.strerror}") from error
    if not digits and not others:
        raise SystemExit(
            f"{', '.join(map(str, folders))}: no labels.csv lists a picture."
        )
    header("digits", "wrong (95 % interval)", "alone", f"legibility below {LEGIBLE}")
    for folder, answers in digits.items():
        alone = np.mean([answer.digit_alone != answer.label for answer in answers])
        illegible = percent(
            sum(answer.legibility < LEGIBLE for answer in answers), len(answers)
        )
        wrong = percent(
            sum(answer.digit != answer.label for answer in answers), len(answers)
        )
        row([folder, wrong, f"{alone:.2%}", illegible])
    typer.echo()
    refusal = f"refused, where {PASSING:.0%} of digits pass"
    header(
        "no digit", f"legibility below {LEGIBLE}", "AUROC", "alone", refusal, "alone"
    )
    of_digits = [answer for answers in digits.values() for answer in answers]
    for folder, answers in others.items():
        cells = [
            folder,
            percent(
                sum(answer.legibility < LEGIBLE for answer in answers), len(answers)
            ),
        ]
        for measure in (auroc, refused) if digits else ():
            for field in ("legibility", "legibility_alone"):
                scores = (
                    [getattr(answer, field) for answer in group]
                    for group in (of_digits, answers)
                )
                cells.append(f"{measure(*scores):.1%}")
        row(cells)
    wrong = [
        answer
        for answers in digits.values()
        for answer in answers
        if answer.digit != answer.label
    ]
    typer.echo(f"\nThe most confident of {len(wrong)} mistakes:")
    for answer in sorted(wrong, key=lambda answer: -answer.confidence)[:LISTED]:
        typer.echo(
            f"{answer.page.file}: {answer.label} read as {answer.digit} "
            f"({answer.confidence:.0%})"
        )


if __name__ == "__main__":
    typer.run(main)
