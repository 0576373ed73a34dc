"""Plot training runs as PNG files, and log them for TensorBoard, which the extra
`tensorboard` installs.
"""

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

SIDE = 8  # units along each side of a plot of weights


def history_figure(history: Sequence[Mapping[str, float]]) -> Figure:
    """Plot the training and validation curves: loss on the left, accuracy in percent on
    the right.
    """
    epochs = [row["epoch"] for row in history]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for part in ("training", "validation"):
        left.plot(
            epochs,
            [row[f"{part}_loss"] for row in history],
            "o-",
            markersize=4,
            label=part,
        )
        right.plot(
            epochs,
            [100 * (1 - row[f"{part}_error"]) for row in history],
            "o-",
            markersize=4,
            label=part,
        )
    left.set(title="Loss", xlabel="epoch", ylim=(0, None))
    left.ticklabel_format(axis="y", style="plain", useOffset=False)
    right.set(title="Accuracy", xlabel="epoch")
    right.yaxis.set_major_formatter(PercentFormatter())
    for axes in (left, right):
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.legend()
        axes.grid(alpha=0.3)
    return figure


def plot_weights(weights: Tensor, path: Path) -> None:
    """Plot the first layer's weights (n, 784), of SIDE × SIDE evenly spaced units or of
    all.

    Each unit is scaled separately. Ink raises its activation where the weight is red,
    and lowers it where it is blue.
    """
    shown = weights[
        torch.linspace(0, len(weights) - 1, min(len(weights), SIDE**2)).long()
    ]
    shown = shown / shown.abs().amax(dim=1, keepdim=True).clamp(min=1e-9)
    sheet = make_grid(shown.view(-1, 1, FRAME_SIDE, FRAME_SIDE), nrow=SIDE)[0]
    imsave(
        path,
        sheet.numpy().repeat(2, axis=0).repeat(2, axis=1),
        cmap="RdBu_r",
        vmin=-1,
        vmax=1,
    )


def require_tensorboard() -> None:
    """Raise TrainingError if TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise TrainingError(
            "--tensorboard needs the extra: pip install '.[training,tensorboard]'."
        )


def tensorboard(folder: Path) -> Callable[[Mapping[str, float]], None]:
    """Return a function that logs one epoch into a folder: losses, and accuracies in
    percent.
    """
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(folder)

    def log(row: Mapping[str, float]) -> None:
        for part in ("training", "validation"):
            writer.add_scalar(f"loss/{part}", row[f"{part}_loss"], row["epoch"])
            writer.add_scalar(
                f"accuracy/{part}", 100 * (1 - row[f"{part}_error"]), row["epoch"]
            )
        writer.flush()

    return log
