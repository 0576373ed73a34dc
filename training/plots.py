"""Plot training runs as PNG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from app.preprocess.frame import FRAME_SIDE

SIDE = 8  # units along each side of a plot of weights
GAP = 2  # pixels between them


def plot_history(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Plot loss and accuracy over the epochs of a run."""
    history_figure(history).savefig(path, dpi=120)


def history_figure(history: Sequence[Mapping[str, float]]) -> Figure:
    """Plot the training and validation curves: loss on the left, accuracy in percent on the right."""
    epochs = [row["epoch"] for row in history]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for part in ("training", "validation"):
        left.plot(epochs, [row[f"{part}_loss"] for row in history], "o-", markersize=4, label=part)
        right.plot(epochs, [100 * (1 - row[f"{part}_error"]) for row in history], "o-", markersize=4, label=part)
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


def plot_weights(weights: NDArray[np.float32], path: Path) -> None:
    """Plot the first layer's weights (n, 784), of SIDE × SIDE evenly spaced units or of all.

    Each unit is scaled separately. Ink raises its activation where the weight is red, and lowers it where it is blue.
    """
    count = min(len(weights), SIDE**2)
    shown = weights[np.linspace(0, len(weights) - 1, count).astype(int)]
    shown = shown / np.abs(shown).max(axis=1, keepdims=True).clip(min=1e-9)
    columns, cell = min(count, SIDE), FRAME_SIDE + GAP
    sheet = np.zeros((-(-count // columns) * cell, columns * cell), np.float32)
    for index, unit in enumerate(shown):
        top, left = cell * (index // columns), cell * (index % columns)
        sheet[top : top + FRAME_SIDE, left : left + FRAME_SIDE] = unit.reshape(FRAME_SIDE, FRAME_SIDE)
    imsave(path, np.kron(sheet[:-GAP, :-GAP], np.ones((2, 2))), cmap="RdBu_r", vmin=-1, vmax=1)
