"""Plot training runs and results as PNG files."""

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
COLUMNS = 10  # of a plot of mistakes


def plot_history(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Plot loss and accuracy over the epochs of a run."""
    history_figure(history).savefig(path, dpi=120)


def history_figure(history: Sequence[Mapping[str, float]]) -> Figure:
    """Plot the training and validation curves: loss on the left, accuracy in percent on the right."""
    epochs = [row["epoch"] for row in history]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for part in ("training", "validation"):
        left.plot(epochs, [row[f"{part}_loss"] for row in history], ".-", label=part)
        right.plot(epochs, [100 * (1 - row[f"{part}_error"]) for row in history], ".-", label=part)
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


def plot_confusion(confusion: NDArray[np.int64], path: Path) -> None:
    """Plot a confusion matrix (true digit, predicted digit) of counts; only mistakes are coloured."""
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    mistakes = confusion - np.diag(np.diag(confusion))
    axes.imshow(mistakes, cmap="Oranges")
    for (row, column), count in np.ndenumerate(confusion):
        if count:
            dark = mistakes[row, column] > 0.6 * mistakes.max() > 0
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set(xlabel="predicted", ylabel="true", xticks=range(10), yticks=range(10))
    figure.savefig(path, dpi=120)


def plot_reliability(bins: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]], path: Path) -> None:
    """Plot accuracy over confidence for bins (counts, confidence, accuracy); the diagonal is perfect calibration."""
    counts, confidence, accuracy = bins
    filled = counts > 0
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes.plot(confidence[filled], accuracy[filled], marker="o")
    for x, y, count in zip(confidence[filled], accuracy[filled], counts[filled], strict=True):
        axes.annotate(f"{count:,}", (x, y), xytext=(4, -10), textcoords="offset points", fontsize=7)
    axes.set(xlabel="confidence", ylabel="share that is right", xlim=(0, 1.05), ylim=(-0.02, 1.05))
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def plot_mistakes(frames: NDArray[np.float32], titles: Sequence[str], path: Path) -> None:
    """Plot a grid of (N, 28, 28) frames with titles."""
    rows = max(1, -(-len(frames) // COLUMNS))
    figure = Figure(figsize=(COLUMNS * 0.9, rows * 1.1), layout="constrained")
    grid = np.atleast_1d(figure.subplots(rows, COLUMNS)).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, frame, title in zip(grid, frames, titles, strict=False):
        axes.imshow(frame, cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(title, fontsize=7)
    figure.savefig(path, dpi=120)
