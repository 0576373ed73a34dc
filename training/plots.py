"""Pictures of a run and of a model's answers, written as PNG files.

Ignores: where the numbers come from.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray


def plot_history(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Loss and error curves over the epochs of a run."""
    epochs = [row["epoch"] for row in history]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [row["training_loss"] for row in history], label="training (deformed, dropout)")
    left.plot(epochs, [row["validation_loss"] for row in history], label="validation")
    left.set(title="Cross-entropy", xlabel="epoch", yscale="log")
    left.legend()
    right.plot(epochs, [100 * row["validation_error"] for row in history], color="C1")
    right.set(title="Validation error, %", xlabel="epoch", yscale="log")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def plot_confusion(confusion: NDArray[np.int64], path: Path) -> None:
    """Confusion matrix (true digit, predicted digit) of counts; the colour shows the mistakes only."""
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
    """Accuracy over confidence, of bins with (counts, confidence, accuracy); the diagonal is perfect calibration."""
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


def plot_mistakes(frames: NDArray[np.float32], titles: Sequence[str], path: Path, columns: int = 10) -> None:
    """A sheet of (N, 28, 28) frames, each under its title."""
    rows = max(1, -(-len(frames) // columns))
    figure = Figure(figsize=(columns * 0.9, rows * 1.1), layout="constrained")
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, frame, title in zip(grid, frames, titles, strict=False):
        axes.imshow(frame, cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(title, fontsize=7)
    figure.savefig(path, dpi=120)
