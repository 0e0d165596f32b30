"""A run's state, and the interface of all that watches it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import nn

from archspec.spec.recipe import Recipe
from archspec.train.metrics import Meter
from archspec.train.schedule import RateAt
from archspec.train.settings import Settings, autocast, make_scaler
from archspec.train.summary import EpochResult


@dataclass
class Run:
    """A run as it stands: what a watcher sees, and a checkpoint holds.

    scaler: of the loss in fp16, else switched off; what it keeps is a part of the run's state.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    rate_at: RateAt
    device: torch.device
    recipe: Recipe
    steps_per_epoch: int
    settings: Settings = field(default_factory=Settings)
    step: int = 0  # updates done
    meter: Meter = field(init=False)  # of the training pass that goes on
    results: list[EpochResult] = field(default_factory=list)
    scaler: torch.amp.GradScaler = field(init=False)

    def __post_init__(self) -> None:
        self.scaler = make_scaler(self.settings.precision, self.device)

    def autocast(self) -> AbstractContextManager[object]:
        """The context for forward pass and loss."""
        return autocast(self.settings.precision, self.device)

    @property
    def epoch(self) -> int:
        """Epochs finished, test pass included."""
        return len(self.results)

    @property
    def total_steps(self) -> int:
        """Updates of the whole run."""
        return self.recipe.epochs * self.steps_per_epoch


class Watcher:
    """What looks on at a run: the display, the run folder, the guard. Its exceptions end the run."""

    def on_start(self, run: Run) -> None:
        """Before the first step."""

    def on_step(self, run: Run) -> None:
        """After every update. To read from the device here makes every step wait for it."""

    def on_epoch(self, run: Run) -> None:
        """After every epoch's test pass; `run.results[-1]` is the epoch's result."""

    def on_finish(self, run: Run) -> None:
        """When the last epoch is done and nobody objected."""

    def on_end(self, run: Run) -> None:
        """At the very end, however the run ended; also where `on_start` was not reached."""
