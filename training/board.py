"""Log a run's curves for TensorBoard, which the extra `tensorboard` installs."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoardMissing(Exception):
    """`--tensorboard` was given, but TensorBoard is not installed."""


def check_installed() -> None:
    """Raise TensorBoardMissing if TensorBoard is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise TensorBoardMissing("--tensorboard needs the extra: pip install '.[training,tensorboard]'.") from error


def open_board(folder: Path, wanted: bool) -> AbstractContextManager["SummaryWriter | None"]:
    """Open a TensorBoard writer in the run's folder, or a null context if it is not wanted."""
    if not wanted:
        return nullcontext()
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder)


def log(board: "SummaryWriter", row: Mapping[str, float]) -> None:
    """Log one epoch: losses, and accuracies in percent."""
    for part in ("training", "validation"):
        board.add_scalar(f"loss/{part}", row[f"{part}_loss"], row["epoch"])
        board.add_scalar(f"accuracy/{part}", 100 * (1 - row[f"{part}_error"]), row["epoch"])
    board.flush()
