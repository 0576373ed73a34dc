"""Measure how digits are read in folders of real pictures, and list the mistakes.

    make real REAL="DIR…"

A DIR holds `images/` and `labels.csv` (columns filename, label and, if needed, page),
or several such folders. The pictures are read as by the service, but without HTTP. A
picture that cannot be read counts as wrong. Pictures labelled `none` show no digit: a
second table shows how well the legibility separates them from all digits of the run
(AUROC: how often a digit's is higher). *Alone* is the dense network without the line
network's second opinion. Needs the extra `training`.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import typer

from app.answers.responses import LEGIBLE
from app.labels import NOTHING, LabelledPage, files_of_labels, labels_of
from measuring import Folders, LinesModel, Model, Served, header, percent, row, watched
from training.options import LINES_MODEL, MODEL, PAGES_MODEL
from training.pictures import LABELS

LISTED = 30  # mistakes
PASSING = 0.98  # share of the digits that pass where non-digits are counted


class Answer(NamedTuple):
    """How one picture is read, also without the second opinion; all is 0 if it cannot
    be, and the digit a dash.
    """

    page: LabelledPage
    label: str
    digit: str = "–"
    confidence: float = 0.0
    legibility: float = 0.0
    digit_alone: str = "–"
    legibility_alone: float = 0.0


def labelled(folders: Sequence[Path]) -> dict[Path, dict[LabelledPage, str]]:
    """Find the labels of digits, and of pictures without one, in each folder."""
    found = {}
    for file in chain.from_iterable(map(files_of_labels, folders)):
        labels = labels_of(file.parent).items()
        of_digits = {page: label for page, label in labels if label in LABELS}
        if of_digits:
            found[file.parent] = of_digits
    return found


def read(page: LabelledPage, label: str, networks: Served) -> Answer:
    """Read a picture."""
    picture = page.file.read_bytes()
    reading = networks.predict(picture, page.number)
    alone = networks.alone.predict(picture, page.number)
    if reading is None or alone is None:
        return Answer(page, label)
    return Answer(
        page,
        label,
        digit=str(reading.digit),
        confidence=float(reading.probabilities.max()),
        legibility=reading.legibility,
        digit_alone=str(alone.digit),
        legibility_alone=alone.legibility,
    )


def share(those: Iterable[bool]) -> str:
    """Format how many of some are so, in percent."""
    counted = list(those)
    return percent(sum(counted), len(counted))


def auroc(digits: Sequence[float], others: Sequence[float]) -> float:
    """Compute the area under the ROC curve: how often a digit scores higher than
    another picture; ties count half.
    """
    ordered = np.sort(others)
    below = np.searchsorted(ordered, digits, "left")
    not_above = np.searchsorted(ordered, digits, "right")
    return float(np.mean(below + not_above) / 2 / len(ordered))


def refused(digits: Sequence[float], others: Sequence[float]) -> float:
    """Return the share of others that are refused where PASSING of the digits pass."""
    return float(np.mean(np.asarray(others) < np.quantile(digits, 1 - PASSING)))


def main(
    folders: Folders, model: Model = MODEL, lines_model: LinesModel = LINES_MODEL
) -> None:
    """Measure how digits are read in folders of real pictures."""
    networks = Served.load(model, lines_model, PAGES_MODEL)
    digits: dict[Path, list[Answer]] = {}
    others: dict[Path, list[Answer]] = {}
    try:
        for folder, labels in labelled(folders).items():
            for page, label in watched(labels.items(), folder.name):
                kind = others if label == NOTHING else digits
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
        illegible = share(answer.legibility < LEGIBLE for answer in answers)
        wrong = share(answer.digit != answer.label for answer in answers)
        row([folder, wrong, f"{alone:.2%}", illegible])
    typer.echo()
    refusal = f"refused, where {PASSING:.0%} of digits pass"
    header(
        "no digit", f"legibility below {LEGIBLE}", "AUROC", "alone", refusal, "alone"
    )
    of_digits = [*chain.from_iterable(digits.values())]
    for folder, answers in others.items():
        cells = [str(folder), share(answer.legibility < LEGIBLE for answer in answers)]
        for measure in (auroc, refused) if digits else ():
            for field in ("legibility", "legibility_alone"):
                score = attrgetter(field)
                value = measure([*map(score, of_digits)], [*map(score, answers)])
                cells.append(f"{value:.1%}")
        row(cells)
    wrong = [answer for answer in of_digits if answer.digit != answer.label]
    typer.echo(f"\nThe most confident of {len(wrong)} mistakes:")
    for answer in sorted(wrong, key=lambda answer: -answer.confidence)[:LISTED]:
        typer.echo(
            f"{answer.page.file}: {answer.label} read as {answer.digit} "
            f"({answer.confidence:.0%})"
        )


if __name__ == "__main__":
    typer.run(main)
