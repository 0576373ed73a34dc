"""Grey picture → map of where something is written: the network for pages."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from app.network import Model, ModelError, Node
from app.picture.maps import Map
from app.text.layout import Finding, Line, lines_in
from app.text.strips import Sheet


class PageNetwork(Model):
    """The network that finds writing on a page, loaded from a model file; see `Model`.

    Parameters
    ----------
    path : Path
        An ONNX file with input ``pictures`` float32 (N, H, W), grey levels from 0 to
        255, and output ``writing`` float32 (N, H, W): the probability that something is
        written there. Its metadata are `stride`, of which H and W are multiples;
        `pixels`, how many of them a large picture is downscaled to; and those of
        `Finding`.

    Raises
    ------
    ModelError
        As for `Model`, or the metadata do not describe the network.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            is_page_network,
            "pictures (N, H, W) and writing (N, H, W)",
            "training.pages",
        )
        try:
            self.stride = int(self.metadata["stride"])
            self.pixels = int(self.metadata["pixels"])
            thresholds = [float(self.metadata[name]) for name in Finding._fields]
            self.finding = Finding(*thresholds)
            is_size = self.stride > 0 and self.stride**2 <= self.pixels
            if not (is_size and all(0 < each < math.inf for each in thresholds)):
                raise ValueError("sizes")
        except (KeyError, ValueError) as error:
            raise ModelError(
                f"{path}: its metadata do not describe a network for pages ({error})."
            ) from error

    def writing(self, grey: Image.Image) -> Map:
        """Compute where something is written in a grey image.

        Returns
        -------
        Map
            (H, W) float32 in [0, 1]: probabilities for the image, scaled to about
            `pixels` if it is larger.
        """
        share = min(1.0, math.sqrt(self.pixels / (grey.width * grey.height)))
        strides = [max(1, round(share * side / self.stride)) for side in grey.size]
        width, height = (self.stride * count for count in strides)
        small = grey.resize((width, height), Image.Resampling.BILINEAR)
        (maps,) = self.run("pictures", np.asarray(small, np.float32)[None])
        found: Map = maps[0]
        return found

    def lines(self, writing: Map, size: tuple[int, int]) -> list[Line]:
        """Return the lines of writing in an image of this size, given the map."""
        return lines_in(writing, size, self.finding)

    def lines_on(self, grey: Image.Image) -> list[Line]:
        """Return the lines of writing in a grey image."""
        return self.lines(self.writing(grey), grey.size)

    def lines_at_full_size(self, sheet: Sheet) -> list[Line]:
        """Return the lines in the part of a sheet with the most contrast.

        They may be too small in all of it.
        """
        part = sheet.busiest(math.isqrt(self.pixels))
        return [] if part.size == sheet.grey.size else self.lines_on(part)


def is_page_network(nodes: list[Node]) -> bool:
    """Return whether these are the input and the output of a network for pages."""
    return nodes == [("pictures", [None, None]), ("writing", [None, None])]
