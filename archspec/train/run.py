"""A run's state, and the interface of all that watches it."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from archspec.spec.recipe import Recipe
from archspec.train.metrics import Meter
from archspec.train.schedule import RateAt
from archspec.train.summary import EpochResult


@dataclass
class Run:
    """A run as it stands: what a watcher sees, and a checkpoint holds."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    rate_at: RateAt
    device: torch.device
    recipe: Recipe
    steps_per_epoch: int
    step: int = 0  # optimizer updates done, of recipe.epochs * steps_per_epoch
    meter: Meter = field(init=False)  # of the training pass that goes on
    results: list[EpochResult] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """Epochs finished, test pass included."""
        return len(self.results)


class Watcher:
    """What looks on at a run: the display, the run folder, the guard. Its exceptions end the run."""

    def on_start(self, run: Run) -> None:
        """Before the first step."""

    def on_step(self, run: Run) -> None:
        """After every update. To read from the device here makes every step wait for it."""

    def on_epoch(self, run: Run) -> None:
        """After every epoch's test pass; `run.results[-1]` is the epoch's result."""

    def on_end(self, run: Run) -> None:
        """After the last epoch, or when an exception ends the run; also where `on_start` was not reached."""
