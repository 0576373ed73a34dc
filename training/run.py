"""A training run: its network, optimizer and history, its checkpoints, and its folder
in runs/.
"""

import argparse
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.errors import TrainingError

Row = dict[str, float]
WARM_UP = 0.1  # share of a stage in which the learning rate rises


@dataclass
class Run:
    """A run in progress, with one seed; its folder holds it after each epoch."""

    config: Any  # the recipe
    seed: int
    model: nn.Module
    optimizer: torch.optim.Optimizer
    folder: Path
    first: int = 0  # number of epochs before those of which the best is kept
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[Row] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """Number of completed epochs."""
        return len(self.history)

    @property
    def best_loss(self) -> float:
        """The lowest validation loss so far."""
        return min(
            (row["validation_loss"] for row in self.history[self.first :]),
            default=math.inf,
        )

    def add(self, row: Row) -> None:
        """Add an epoch, keep its weights if no epoch was better, and save the run."""
        if self.epochs >= self.first and row["validation_loss"] <= self.best_loss:
            self.best = {
                name: value.clone() for name, value in self.model.state_dict().items()
            }
        self.history.append(row)
        self.save()

    def save(self) -> None:
        """Write the checkpoint into the folder, atomically."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        with unfinished(self.folder / "last.pt") as file:
            torch.save({**state, "best": self.best, "history": self.history}, file)

    def step(self, rate: float) -> None:
        """Take a step at a learning rate, and clear the gradients."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()

    def restore(self, state: Mapping[str, Any]) -> "Run":
        """Continue from a checkpoint."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best, self.history = state["best"], state["history"]
        return self


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Yield the path of a file beside another one, which it replaces at the end, or is
    deleted after an error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield file
        file.replace(path)
    finally:
        file.unlink(missing_ok=True)


def checkpoint(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """Load what `Run.save` left in a folder, if there is something."""
    file = folder / "last.pt"
    return (
        torch.load(file, map_location=device, weights_only=True)
        if file.exists()
        else None
    )


def fit(
    run: Run,
    epochs: int,
    next_epoch: Callable[[], Row],
    log: Callable[[Row], None] = lambda _: None,
) -> None:
    """Train up to a number of epochs, saving the run after each. `next_epoch` returns
    its measures.
    """
    while run.epochs < epochs:
        row = next_epoch()
        run.add({"epoch": run.epochs + 1, **row})
        log(run.history[-1])
        measures = (
            f"{name} {v:.2%}" if name.endswith("error") else f"{name} {v:.4f}"
            for name, v in row.items()
        )
        print(
            f"epoch {run.epochs:3} of {epochs}  "
            f"{', '.join(measures).replace('_', ' ')}",
            flush=True,
        )


def learning_rate(peak: float, progress: float) -> float:
    """Return the learning rate at `progress` in [0, 1) of a stage: linear warm-up, then
    cosine decay to 0.

    The one-cycle policy of Smith & Topin (2018) with the cosine of Loshchilov & Hutter
    (2017).
    """
    if progress < WARM_UP:
        return peak * progress / WARM_UP
    return peak * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2


def make_optimizer(
    model: nn.Module, weight_decay: float, name: str = "adamw"
) -> torch.optim.Optimizer:
    """Create the optimizer. `train_epoch` sets its learning rate."""
    if name == "sgd":
        return torch.optim.SGD(
            model.parameters(),
            momentum=0.9,
            nesterov=True,
            weight_decay=weight_decay / 100,
            fused=True,
        )
    return torch.optim.AdamW(model.parameters(), weight_decay=weight_decay, fused=True)


def run_to_resume(arguments: argparse.Namespace) -> Path | None:
    """Find the folder of the run that --resume names, or of the newest one."""
    if arguments.resume is None:
        return None
    earlier = [config.parent for config in arguments.runs.glob("*/config.json")]
    folder = Path(arguments.resume or max(earlier, default=arguments.runs))
    if not (folder / "config.json").exists():
        raise TrainingError(
            f"{folder} holds no run to resume: pass the folder of a run, or leave "
            "out --resume."
        )
    return folder


def new_folder(runs: Path, options: Mapping[str, object]) -> Path:
    """Create a folder for a new run, with its recipe."""
    folder = runs / datetime.now().strftime("%Y-%m-%d-%H%M%S.%f")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(options, indent=2))
    return folder


def options_in(folder: Path) -> dict[str, Any]:
    """Read the recipe of an earlier run."""
    options: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in options.items()
    }
