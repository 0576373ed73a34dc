"""Draw a sheet of generated non-digits: a row for each kind, and a last row of segments of numbers.

    python benchmarks/non_digit_sheet.py docs/non-digits.png

Needs the extra `training`.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from app.preprocess.frame import FRAME_SIDE, frame_from_ink
from training import data
from training.non_digits import KINDS, crop
from training.segments import segments

COLUMNS = 24


def main() -> None:
    """Draw the sheet, black ink on white."""
    digits, rng = data.load(train=True), np.random.default_rng(0)
    inks = (crop(kind(digits, rng)) for kind, _ in KINDS for _ in range(COLUMNS))
    frames = [frame_from_ink(ink) if ink is not None else np.zeros((28, 28), np.float32) for ink in inks]
    _, cut_wrongly = segments(digits, COLUMNS, seed=0)
    cells = np.concatenate([(255 * np.stack(frames)).astype(np.uint8), cut_wrongly.images.numpy()])
    rows = cells.reshape(-1, COLUMNS, FRAME_SIDE, FRAME_SIDE).swapaxes(1, 2)
    Image.fromarray(255 - rows.reshape(-1, COLUMNS * FRAME_SIDE)).save(Path(sys.argv[1]), optimize=True)


if __name__ == "__main__":
    main()
