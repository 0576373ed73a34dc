"""Plots of a training run, as PNG files and for TensorBoard."""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor
from torchvision.utils import make_grid

from app.picture.frame import FRAME_SIDE
from training.errors import TrainingError

PARTS = "training", "validation"
SIDE = 8  # units along each side of a plot of weights


def history_figure(history: Sequence[Mapping[str, float]]) -> Figure:
    """Plot the loss on the left and the accuracy on the right."""
    epochs = [row["epoch"] for row in history]
    rows = [curves(row) for row in history]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, measure in ((left, "loss"), (right, "accuracy")):
        for part in PARTS:
            values = [row[f"{measure}/{part}"] for row in rows]
            axes.plot(epochs, values, "o-", markersize=4, label=part)
        axes.set(title=measure.capitalize(), xlabel="epoch")
    left.set_ylim(0, None)
    left.ticklabel_format(axis="y", style="plain", useOffset=False)
    right.yaxis.set_major_formatter(PercentFormatter())
    for axes in (left, right):
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.legend()
        axes.grid(alpha=0.3)
    return figure


def curves(row: Mapping[str, float]) -> dict[str, float]:
    """Return an epoch's points of each curve: losses, and accuracies in percent."""
    points = {}
    for part in PARTS:
        points[f"loss/{part}"] = row[f"{part}_loss"]
        points[f"accuracy/{part}"] = 100 * (1 - row[f"{part}_error"])
    return points


def plot_weights(weights: Tensor, path: Path) -> None:
    """Plot the first layer's weights (n, 784), of SIDE × SIDE units or of all.

    Each unit is scaled separately. Ink raises its activation where the weight is red,
    and lowers it where it is blue.
    """
    units = torch.linspace(0, len(weights) - 1, min(len(weights), SIDE**2)).long()
    shown = weights[units]
    shown = shown / shown.abs().amax(dim=1, keepdim=True).clamp(min=1e-9)
    sheet = make_grid(shown.view(-1, 1, FRAME_SIDE, FRAME_SIDE), nrow=SIDE)[0]
    pixels = sheet.numpy().repeat(2, axis=0).repeat(2, axis=1)
    imsave(path, pixels, cmap="RdBu_r", vmin=-1, vmax=1)


def require_tensorboard() -> None:
    """Raise TrainingError if TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise TrainingError(
            "--tensorboard needs the extra: pip install '.[training,tensorboard]'."
        )


def tensorboard(folder: Path) -> Callable[[Mapping[str, float]], None]:
    """Return a function that logs an epoch into a folder."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(folder)

    def log(row: Mapping[str, float]) -> None:
        for name, value in curves(row).items():
            writer.add_scalar(name, value, row["epoch"])
        writer.flush()

    return log
