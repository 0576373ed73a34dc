"""Strip → probabilities of what is written in each of its columns: the line network."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.inference.classifier import Model, ModelError, Node
from app.preprocess.strips import STRIP_HEIGHT

CHARACTERS = "0123456789.,-/: "  # after the blank of CTC
OTHER = len(CHARACTERS) + 1  # the last class: something else
CLASSES = OTHER + 1
STRIDE = 2  # pixels of a strip per column of the output
MIN_SPREAD = 2.55  # of 255 levels: added to the standard deviation, which is 0 for a blank strip


class LineNetwork(Model):
    """The line network, loaded from a model file; see `Model`.

    Parameters
    ----------
    path : Path
        An ONNX file with input ``strips`` float32 (N, 32, W), output ``probabilities`` float32 (N, W / 2, 18) over the
        blank, CHARACTERS and something else, and CHARACTERS as ``characters`` in its metadata.

    Attributes
    ----------
    characters : str
        CHARACTERS.
    threshold : float
        From the metadata, else 0.5: the square of the probability from which a symbol counts for a reading.

    Raises
    ------
    ModelError
        As for `Model`, or the metadata name no characters, or others, or no number as the threshold.
    """

    def __init__(self, path: Path) -> None:
        nodes: list[Node] = [("strips", [STRIP_HEIGHT, None]), ("probabilities", [None, CLASSES])]
        expected = f"strips (N, {STRIP_HEIGHT}, W) and probabilities (N, W / {STRIDE}, {CLASSES})"
        super().__init__(path, [nodes], expected, "training.lines")
        self.characters = self.metadata.get("characters", "")
        try:
            self.threshold = float(self.metadata.get("threshold", "0.5"))
        except ValueError as error:
            raise ModelError(f"{path}: the threshold in its metadata is not a number.") from error
        if self.characters != CHARACTERS:
            raise ModelError(f'{path}: its metadata name no characters, or others than "{CHARACTERS}".')

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute what is written in a strip.

        Parameters
        ----------
        pixels : NDArray
            (32, w) uint8: grey levels. They are normalised by their own mean and standard deviation, so that the result
            depends on no other strip.

        Returns
        -------
        NDArray
            (columns, 18) float32, a column for each STRIDE pixels: the probabilities of the blank, the characters and
            something else, which sum to 1.
        """
        levels = pixels.astype(np.float32)
        normal = (levels - levels.mean()) / (levels.std() + MIN_SPREAD)
        even = np.pad(normal, ((0, 0), (0, -normal.shape[1] % STRIDE)), mode="edge")
        (batch,) = self.run("strips", even[None])
        columns: NDArray[np.float32] = batch[0]
        return columns
