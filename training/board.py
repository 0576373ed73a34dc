"""A run's curves for TensorBoard, which the extra `tensorboard` installs."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoardMissing(Exception):
    """--tensorboard without the package."""


def check_installed() -> None:
    """Raise TensorBoardMissing where the package is not there."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise TensorBoardMissing("--tensorboard needs the extra: pip install '.[training,tensorboard]'.") from error


def open_board(folder: Path, wanted: bool) -> AbstractContextManager["SummaryWriter | None"]:
    """What writes TensorBoard's log of a run into its folder; nothing where it is not wanted."""
    if not wanted:
        return nullcontext()
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder)


def log(board: "SummaryWriter", row: Mapping[str, float]) -> None:
    """Write an epoch of the run's history: losses, and accuracies in percent."""
    for part in ("training", "validation"):
        board.add_scalar(f"loss/{part}", row[f"{part}_loss"], row["epoch"])
        board.add_scalar(f"accuracy/{part}", 100 * (1 - row[f"{part}_error"]), row["epoch"])
    board.flush()
