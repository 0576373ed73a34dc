"""Omniglot's background characters (Lake et al. 2015): real non-digits, drawn by hand,
of 15 alphabets.

Characters that look like a digit are left out, and so are alphabets with many of them,
and six that are for measuring: Balinese, Early Aramaic, katakana, Korean, Sanskrit and
Tagalog.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from app.picture.maps import Map
from training.data import DEFAULT_ROOT
from training.writing.drawing import levels

FILE = DEFAULT_ROOT / "omniglot.zip"
ADDRESS = "https://github.com/brendenlake/omniglot"
# The alphabets, and the numbers of their characters that look like a digit.
ALPHABETS = {
    "Alphabet_of_the_Magi": "6 8 10 11 13 17",
    "Anglo-Saxon_Futhorc": "11 13 16 18 23",
    "Arcadian": "1 2 9 12 17",
    "Bengali": "8 10 11 17 29 32",
    "Braille": "",
    "Futurama": "2 3 9 14 20 21",
    "Grantha": "5 24 36",
    "Greek": "4 6 8 11 14 15 18",
    "Gujarati": "5 15 19 25 26 27 28 36 41",
    "Inuktitut_(Canadian_Aboriginal_Syllabics)": "2",
    "Japanese_(hiragana)": "17 39 41 43",
    "Latin": "2 7 9 12 15 17 19 26",
    "Malay_(Jawi_-_Arabic)": "1 4 18 25 27 30 35 36 37 38",
    "Syriac_(Estrangelo)": "6 7 19",
    "Tifinagh": "1 4 6 8 17 32 34 35 37 39 42 43 49 51",
}
# Radii by which strokes are widened; they are 2 of 105 pixels wide.
PENS = 0, 0, 1, 2, 3, 4, 5

Characters = Sequence[NDArray[np.uint8]]  # each (105, 105), ink = 255


def load(file: Path | None = None) -> list[NDArray[np.uint8]]:
    """Load the characters. If the file does not exist, say so, and return none.

    Parameters
    ----------
    file : Path, optional
        ``images_background.zip`` of ADDRESS; by default, data/omniglot.zip.
    """
    file = file or FILE
    if not file.exists():
        print(f"Training without Omniglot's characters: {file} does not exist.")
        return []
    found = []
    with zipfile.ZipFile(file) as archive:
        for name in sorted(filter(is_used, archive.namelist())):
            image = Image.open(archive.open(name)).convert("L")
            found.append(255 - np.asarray(image))
    return found


def split(characters: Characters) -> tuple[Characters, Characters]:
    """Split off the last tenth of the characters, for the validation set."""
    end = -len(characters) // 10
    return characters[:end], characters[end:]


def is_used(name: str) -> bool:
    """Return whether a file shows a character to train on."""
    if not name.endswith(".png"):
        return False
    alphabet, character = Path(name).parts[-3:-1]
    number = character.removeprefix("character").lstrip("0")
    return alphabet in ALPHABETS and number not in ALPHABETS[alphabet].split()


def character(characters: Characters, rng: Generator) -> Map:
    """Pick a character (105, 105) and draw it with a pen of random width."""
    picked = characters[int(rng.integers(len(characters)))]
    return drawn(picked, rng.choice(PENS))


def drawn(character: NDArray[np.uint8], radius: int) -> Map:
    """Draw a character (105, 105) with strokes wider by a radius on each side."""
    widened = ImageFilter.MaxFilter(2 * radius + 1)
    return levels(Image.fromarray(character).filter(widened))
