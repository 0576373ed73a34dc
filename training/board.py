"""Log a run's curves for TensorBoard, which the extra `tensorboard` installs."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from training.errors import TrainingError


def check_installed() -> None:
    """Raise TrainingError if TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise TrainingError("--tensorboard needs the extra: pip install '.[training,tensorboard]'.")


def logger(folder: Path) -> Callable[[Mapping[str, float]], None]:
    """Return a function that logs one epoch into a folder: losses, and accuracies in percent."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(folder)

    def log(row: Mapping[str, float]) -> None:
        for part in ("training", "validation"):
            writer.add_scalar(f"loss/{part}", row[f"{part}_loss"], row["epoch"])
            writer.add_scalar(f"accuracy/{part}", 100 * (1 - row[f"{part}_error"]), row["epoch"])
        writer.flush()

    return log
