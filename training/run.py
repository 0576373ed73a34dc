"""A training run: its network, its optimizer, its history, and its folder in runs/."""

import argparse
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from training.errors import TrainingError

Recipe = TypeVar("Recipe")
Row = dict[str, float]
WARM_UP = 0.1  # share of a stage in which the learning rate rises
CHECKPOINT = "last.pt"  # in the run's folder: the run after its last epoch
RECIPE = "config.json"  # likewise: its recipe
progress = partial(tqdm, leave=False, disable=None)  # a bar, in a terminal only


@dataclass
class Run:
    """A run in progress, with one seed; its folder holds it after each epoch."""

    recipe: Any
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
        weights = self.model.state_dict()
        if self.epochs >= self.first and row["validation_loss"] <= self.best_loss:
            self.best = {name: value.clone() for name, value in weights.items()}
        self.history.append(row)
        state = {
            "model": weights,
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "history": self.history,
        }
        with unfinished(self.folder / CHECKPOINT) as file:
            torch.save(state, file)

    def step(self, rate: float) -> None:
        """Take a step at a learning rate, and clear the gradients."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()

    def continued(self, state: Mapping[str, Any]) -> "Run":
        """Continue from a checkpoint, unless it is empty."""
        if state:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.best = state["best"]
            self.history = state["history"]
        return self


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Yield a temporary path; the file there becomes `path` at the end.

    After an error, it is deleted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield file
        file.replace(path)
    finally:
        file.unlink(missing_ok=True)


def checkpoint(folder: Path, device: torch.device) -> dict[str, Any]:
    """Load the state of a run that a folder holds; it is empty if there is none."""
    file = folder / CHECKPOINT
    if not file.exists():
        return {}
    state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
    return state


def fit(
    run: Run,
    epochs: int,
    next_epoch: Callable[[], Row],
    log: Callable[[Row], None] | None = None,
) -> None:
    """Train up to a number of epochs; `next_epoch` trains for one and measures it."""
    while run.epochs < epochs:
        row = next_epoch()
        run.add({"epoch": run.epochs + 1, **row})
        if log:
            log(run.history[-1])
        measures = ", ".join(measure(*item) for item in row.items())
        print(f"epoch {run.epochs:3} of {epochs}  {measures}", flush=True)


def measure(name: str, value: float) -> str:
    """Format a measure of an epoch, such as "training loss 0.0213"."""
    kind = ".2%" if name.endswith("error") else ".4f"
    return f"{name.replace('_', ' ')} {value:{kind}}"


def learning_rate(peak: float, progress: float) -> float:
    """Return the learning rate at `progress` in [0, 1) of a stage.

    It rises linearly and decays to 0 as a cosine: the one-cycle policy of Smith & Topin
    (2018) with the cosine of Loshchilov & Hutter (2017).
    """
    if progress < WARM_UP:
        return peak * progress / WARM_UP
    angle = math.pi * (progress - WARM_UP) / (1 - WARM_UP)
    return peak * (1 + math.cos(angle)) / 2


def make_optimizer(
    model: nn.Module, weight_decay: float, name: str = "adamw"
) -> torch.optim.Optimizer:
    """Make the optimizer; `Run.step` sets its learning rate."""
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
    earlier = [config.parent for config in arguments.runs.glob(f"*/{RECIPE}")]
    folder = Path(arguments.resume or max(earlier, default=arguments.runs))
    if not (folder / RECIPE).exists():
        raise TrainingError(
            f"{folder} holds no run to resume: pass the folder of a run, or leave "
            "out --resume."
        )
    return folder


def new_folder(runs: Path, recipe: Mapping[str, object]) -> Path:
    """Create a folder for a new run, with its recipe."""
    folder = runs / datetime.now().strftime("%Y-%m-%d-%H%M%S.%f")
    folder.mkdir(parents=True)
    (folder / RECIPE).write_text(json.dumps(recipe, indent=2))
    return folder


def load_recipe(kind: type[Recipe], file: Path) -> Recipe:
    """Read the recipe in a JSON file."""
    try:
        return recipe_in(kind, file.read_text(), file)
    except OSError as error:
        raise TrainingError(f"{file}: cannot be read ({error.strerror}).") from error


def recipe_in(kind: type[Recipe], text: str, source: object) -> Recipe:
    """Parse a recipe in JSON; the error message names its source."""
    try:
        return kind(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{source} has no recipe for this command.") from error
