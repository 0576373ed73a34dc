"""Strip → probabilities of what is written in each of its columns: the line network."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.network import Model, ModelError, Node
from app.text.line_spec import LineSpec


class LineNetwork(Model):
    """The line network, loaded from a model file; see `Model`.

    Parameters
    ----------
    path : Path
        An ONNX file with input ``strips`` float32 (N, H, W) and output
        ``probabilities`` float32 (N, W / stride, C) over the blank, its characters and
        something else. Its metadata are those of `LineSpec`.

    Attributes
    ----------
    spec : LineSpec
        What the file says of the network.

    Raises
    ------
    ModelError
        As for `Model`, or the metadata do not describe the network.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            is_line_network,
            "strips (N, H, W) and probabilities (N, T, C)",
            "training.lines",
        )
        (height, _), (_, classes) = (
            node.shape[1:]
            for node in (*self.session.get_inputs(), *self.session.get_outputs())
        )
        try:
            self.spec = LineSpec.of(height, self.metadata)
        except (KeyError, ValueError) as error:
            raise ModelError(
                f"{path}: its metadata do not describe a network for numbers "
                f"({error}), as in files of an earlier "
                "kind: use the file that is shipped, or make one with python -m "
                "training.lines."
            ) from error
        if classes != self.spec.classes:
            raise ModelError(
                f"{path}: has {classes} classes, but its metadata name "
                f"{self.spec.classes}."
            )

    def __call__(
        self, pixels: NDArray[np.uint8], padding: int | None = None
    ) -> NDArray[np.float32]:
        """Compute what is written in a strip.

        Parameters
        ----------
        pixels : NDArray
            (H, w) uint8: grey levels.
        padding : int, optional
            The strip is padded to a multiple of so many pixels; by default, of what the
            file says.

        Returns
        -------
        NDArray
            (columns, C) float32, a column for each `stride` pixels of the padded strip:
            the probabilities of the blank, the characters and something else, which sum
            to 1.
        """
        strip = normalised(pixels, self.spec.least_contrast)
        padded = np.pad(
            strip, ((0, 0), (0, -strip.shape[1] % (padding or self.spec.padding)))
        )
        (batch,) = self.run("strips", padded[None])
        columns: NDArray[np.float32] = batch[0]
        return columns


def normalised(pixels: NDArray[np.uint8], least_contrast: float) -> NDArray[np.float32]:
    """Scale grey levels (H, w): the median, which is the ground, becomes 0, and the
    farthest level ±1.
    """
    levels = pixels - np.float32(np.median(pixels))
    strip: NDArray[np.float32] = levels / max(
        np.float32(least_contrast), np.abs(levels).max()
    )
    return strip


def is_line_network(nodes: list[Node]) -> bool:
    """Return whether these are the input and the output of a line network."""
    names, shapes = zip(*nodes, strict=True)
    if names != ("strips", "probabilities") or [len(shape) for shape in shapes] != [
        2,
        2,
    ]:
        return False
    (height, width), (_, classes) = shapes
    return height is not None and width is None and classes is not None
