"""A training run: its network, optimizer and history, its checkpoints, and its folder in runs/."""

import argparse
import copy
import csv
import math
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import torch
from torch import Tensor

from training.config import Config
from training.convolution import ConvolutionalNet, dense_widths
from training.data import NOTHING, Digits
from training.model import DigitNet

PICTURES = "pictures.pt"  # in the run's folder: the frames of the user's own pictures


class NothingToResume(Exception):
    """`--resume` found no earlier run."""


@dataclass
class Run:
    """A run in progress, with one seed. Checkpoints store it."""

    config: Config
    seed: int
    model: DigitNet | ConvolutionalNet
    optimizer: torch.optim.Optimizer
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """Number of completed epochs."""
        return len(self.history)

    @property
    def best_loss(self) -> float:
        """The lowest validation loss of the dense network so far."""
        dense = self.history[self.config.convolution_epochs :]
        return min((row["validation_loss"] for row in dense), default=math.inf)


def setup(config: Config, seed: int, device: torch.device, epochs: int = 0) -> Run:
    """Create a run with weights initialised from the seed, with the network of the stage after this many epochs."""
    torch.manual_seed(seed)
    model: DigitNet | ConvolutionalNet
    if config.channels and epochs <= config.convolution_epochs:
        model = ConvolutionalNet(config.channels, config.hidden, config.dropout)
    else:
        model = DigitNet(dense_widths(config.channels, config.hidden), config.activation, config.dropout)
    return Run(config, seed, model.to(device), make_optimizer(config, model.to(device)))


def make_optimizer(config: Config, model: torch.nn.Module) -> torch.optim.Optimizer:
    """Create the optimizer. `train_epoch` sets its learning rate."""
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            model.parameters(), momentum=0.9, nesterov=True, weight_decay=config.weight_decay / 100, fused=True
        )
    return torch.optim.AdamW(model.parameters(), weight_decay=config.weight_decay, fused=True)


def best_network(run: Run) -> DigitNet:
    """Return a copy of the run's dense network, as it was in its best epoch."""
    model = copy.deepcopy(run.model)
    assert isinstance(model, DigitNet)
    model.load_state_dict(run.best)
    return model


def save(run: Run, folder: Path) -> None:
    """Write the checkpoint (atomically) and the history into the run's folder."""
    state = {
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "best": run.best,
        "history": run.history,
    }
    torch.save(state, folder / "last.pt.new")
    (folder / "last.pt.new").replace(folder / "last.pt")
    with open(folder / "history.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, run.history[0])
        writer.writeheader()
        writer.writerows(run.history)


def load(config: Config, seed: int, folder: Path, device: torch.device) -> Run:
    """Load the run that `save` left in a folder, or create one."""
    if not (folder / "last.pt").exists():
        return setup(config, seed, device)
    state = torch.load(folder / "last.pt", map_location=device, weights_only=True)
    run = setup(config, seed, device, epochs=len(state["history"]))
    run.model.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.best, run.history = state["best"], state["history"]
    return run


def run_to_resume(arguments: argparse.Namespace) -> Path | None:
    """Find the folder of the run that --resume names, or of the newest one."""
    if arguments.resume is None:
        return None
    earlier = [config.parent for config in arguments.runs.glob("*/config.json")]
    folder = Path(arguments.resume or max(earlier, default=arguments.runs))
    if not (folder / "config.json").exists():
        raise NothingToResume(f"{folder} holds no run to resume: pass the folder of a run, or leave out --resume.")
    return folder


def new_folder(runs: Path, config: Config, own: Digits) -> Path:
    """Create a folder for a new run, with what resuming it needs: its recipe, and the user's own pictures."""
    folder = runs / datetime.now().strftime("%Y-%m-%d-%H%M%S.%f")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config.to_json())
    if len(own):
        torch.save({"images": own.images, "labels": own.labels}, folder / PICTURES)
    return folder


def read_folder(folder: Path) -> tuple[Config, Digits]:
    """Read the recipe and the pictures of an earlier run."""
    config, saved = Config.from_json((folder / "config.json").read_text()), folder / PICTURES
    return config, Digits(**torch.load(saved, weights_only=True)) if saved.exists() else NOTHING
