"""Grey picture → map of where something is written: the network for pages."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from app.network import Model, ModelError, Node
from app.picture.maps import Map
from app.text.grid import OUTSIDE
from app.text.layout import Finding, LineBox, in_rows, lines_in, tilt_of
from app.text.ruled_table import RuledTable
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
        pixels = grey.width * grey.height
        share = min(1.0, math.sqrt(self.pixels / pixels))
        strides = [max(1, round(share * side / self.stride)) for side in grey.size]
        width, height = (self.stride * count for count in strides)
        small = grey.resize((width, height), Image.Resampling.BILINEAR)
        levels = np.asarray(small, np.float32)
        (maps,) = self.run("pictures", levels[None])  # (1, H, W)
        found: Map = maps[0]
        return found

    def lines(self, writing: Map, size: tuple[int, int]) -> list[LineBox]:
        """Return the lines of writing in an image of this size, given the map."""
        return lines_in(writing, size, self.finding)

    def lines_on(self, grey: Image.Image) -> list[LineBox]:
        """Return the lines of writing in a grey image."""
        return self.lines(self.writing(grey), grey.size)


@dataclass(frozen=True)
class PageLayout:
    """A sheet, and where the network sees writing on it.

    Attributes
    ----------
    sheet : Sheet
        The sheet.
    network : PageNetwork
        The network.
    writing : Map
        (H, W) float32 in [0, 1]: what it says of the sheet.
    lines : list of LineBox
        The lines on the sheet; none is in two cells of its table.
    table : RuledTable, optional
        The ruled table on it.
    """

    sheet: Sheet
    network: PageNetwork
    writing: Map
    lines: list[LineBox]
    table: RuledTable | None = None

    @classmethod
    def of(cls, sheet: Sheet, network: PageNetwork) -> "PageLayout":
        """Find the lines on a sheet."""
        writing = network.writing(sheet.grey)
        size = sheet.grey.size
        threshold = network.finding.threshold
        table = RuledTable.on(sheet, writing, threshold)
        if table is None:
            return cls(sheet, network, writing, network.lines(writing, size))
        lines = table.whole(network.lines(table.apart(writing), size))
        return cls(sheet, network, writing, lines, table)

    @property
    def rows(self) -> list[list[LineBox]]:
        """The lines in order: rows from top to bottom, and each from left to right."""
        if self.table is None:
            return in_rows(self.lines)
        found = self.table.lines_by_cell(self.lines)
        rows = in_rows(found.pop(OUTSIDE, []))
        for numbers in self.table.grid.own_numbers:
            rows.append([line for number in numbers for line in found.get(number, [])])
        tilt = tilt_of(self.lines)
        return sorted(
            filter(None, rows),
            key=lambda row: np.mean([line.level_centre(tilt)[1] for line in row]),
        )

    def turned(self, degrees: int) -> "PageLayout":
        """Find the lines on the turned sheet: the network sees level ones better."""
        return (
            PageLayout.of(self.sheet.turned(degrees), self.network) if degrees else self
        )

    def lines_turned(self, degrees: int) -> list[LineBox]:
        """Return about the lines on the turned sheet, without asking the network."""
        if not degrees:
            return self.lines
        size = self.sheet.turned(degrees).grey.size
        return self.network.lines(np.rot90(self.writing, degrees // 90), size)

    @property
    def is_written_small(self) -> bool:
        """Whether there are lines where it has the most contrast, at its full size.

        They may be too small in all of it.
        """
        part = self.sheet.busiest(math.isqrt(self.network.pixels))
        is_all = part.size == self.sheet.grey.size
        return not is_all and bool(self.network.lines_on(part))


def is_page_network(nodes: list[Node]) -> bool:
    """Return whether these are the input and the output of a network for pages."""
    return nodes == [("pictures", [None, None]), ("writing", [None, None])]
