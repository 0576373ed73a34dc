"""Labelled pictures: a folder with `images/` and `labels.csv`, as `digits corrections
export` writes them.

The columns are filename, label and, for files of several pages, page. A label is what
is written, with newlines between lines, or `none`.
"""

import csv
from pathlib import Path
from typing import NamedTuple

NOTHING = "none"  # the label of a picture that shows no digit


class InvalidLabels(Exception):
    """The labels of a folder are missing or wrong; the message says why."""


class LabelledPage(NamedTuple):
    """A picture: a file, and which of its pages, from 1 on, if it has several."""

    file: Path
    number: int | None = None


def labels_below(folder: Path) -> dict[LabelledPage, str]:
    """Read the labels of all pictures in a folder and its subfolders; raise
    InvalidLabels.
    """
    found: dict[LabelledPage, str] = {}
    for file in files_of_labels(folder):
        found |= labels_of(file.parent)
    return found


def files_of_labels(folder: Path) -> list[Path]:
    """Find a folder's own labels.csv, or else those of its subfolders."""
    own = folder / "labels.csv"
    return [own] if own.exists() else sorted(folder.glob("*/labels.csv"))


def labels_of(folder: Path) -> dict[LabelledPage, str]:
    """Read the label of each picture in a folder; raise InvalidLabels."""
    file = folder / "labels.csv"
    found = {}
    try:
        with file.open(newline="", encoding="utf-8-sig") as rows:
            for row in csv.DictReader(rows):
                picture = folder / "images" / row["filename"]
                number = int(row["page"]) if row.get("page") else None
                if row["label"] is None:
                    raise InvalidLabels(f"{file} has a row without a label.")
                found[LabelledPage(picture, number)] = row["label"]
    except OSError as error:
        raise InvalidLabels(f"{file}: {error.strerror}.") from error
    except KeyError as error:
        raise InvalidLabels(f"{file} has no column {error}.") from error
    except UnicodeDecodeError as error:
        raise InvalidLabels(
            f"{file} is not in UTF-8: save it as CSV in UTF-8."
        ) from error
    except ValueError as error:
        raise InvalidLabels(f"{file} has a page that is not a number.") from error
    return found
