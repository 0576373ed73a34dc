"""Plot the results in the model card as PNG files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

COLUMNS = 10  # of a plot of mistakes


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
