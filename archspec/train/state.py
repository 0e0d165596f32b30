"""A run's state, and the interface of all that watches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from archspec.data.batches import Batch
from archspec.language.recipe import Recipe
from archspec.train.checkpoint.rng import random_state, set_random_state
from archspec.train.distributed.process_group import ALONE, World
from archspec.train.early_stopping import criterion, why_stop
from archspec.train.metrics import Meter, Metrics
from archspec.train.objective import Objective
from archspec.train.peak_memory import PeakMemory
from archspec.train.schedule import RateAt
from archspec.train.signals import Stop
from archspec.train.step.precision import Settings, autocast, make_scaler
from archspec.train.summary import EpochResult, Summary

if TYPE_CHECKING:
    from pydantic import JsonValue

    from archspec.train.report.confusion import Tally


class Part(Protocol):
    """What somebody besides the loop keeps of a run, and wants to find again: an average of the weights, say.

    `run.keep(NAME, part)` makes it a part of every checkpoint, and gives it back what one held of it.
    """

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors, by names of its own."""

    def data(self) -> JsonValue:
        """The rest of it, as plain data."""

    def restore(self, tensors: Mapping[str, Tensor], data: JsonValue) -> None:
        """Become what `tensors` (on the CPU) and `data` were taken of."""


class StepGuard:
    """Looks at each step before its update, and keeps what it takes to do it again; this one finds nothing."""

    def __init__(self) -> None:
        self._random: dict[str, Tensor] = {}
        self._buffers: list[Tensor] | None = None

    def before_step(self, run: Run) -> None:
        """The batch is there, nothing is computed yet: keep random numbers and buffers. No wait for the device."""
        self._random = random_state(run.device)
        if self._buffers is None:
            self._buffers = [buffer.clone() for buffer in run.model.buffers()]
        elif self._buffers:
            torch._foreach_copy_(self._buffers, list(run.model.buffers()))

    def put_back(self, run: Run) -> None:
        """All is as `before_step` found it, without gradients."""
        run.optimizer.zero_grad(set_to_none=True)
        set_random_state(run.device, self._random)
        for buffer, before in zip(run.model.buffers(), self._buffers or (), strict=True):
            buffer.copy_(before)

    def on_loss(self, run: Run, loss: Tensor) -> Tensor:
        """The loss to differentiate, shape ()."""
        return loss

    def before_update(self, run: Run, loss: Tensor) -> None:
        """The gradients are there; to raise is to leave the weights as they are."""

    def before_save(self, run: Run) -> None:
        """The run is about to be saved; to raise is to keep it from being so."""


@dataclass
class Run:
    """A run as it stands: what a watcher sees, and a checkpoint holds.

    forward: what a training step calls instead of `model`, of which it shares the parameters: the same network,
    compiled, or joined with those of other processes. world: those processes. joined: the network as such, if it is.
    scaler: of the loss in fp16, else switched off; what it keeps is a part of the run's state.
    owns_folder: whether nobody else uses the run's folder: else nothing is written there. paused: whether it was asked
    to stop after so many epochs, and has.
    micro_batch: where memory was short: the most images that go through the network at once; an update still
    sees a whole batch. parts, saved_parts: see `keep`. tell: says something to the user, in words.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    rate_at: RateAt
    device: torch.device
    recipe: Recipe
    steps_per_epoch: int
    settings: Settings = field(default_factory=Settings)
    world: World = ALONE
    step: int = 0  # updates done
    meter: Meter = field(init=False)  # of the training pass that goes on
    batch: Batch = field(init=False, repr=False)  # of the last step, or of that which goes on
    results: list[EpochResult] = field(default_factory=list)
    forward: Callable[[Tensor], Tensor] = field(init=False, repr=False)
    joined: nn.Module | None = field(default=None, repr=False)
    scaler: torch.amp.GradScaler = field(init=False)
    guard: StepGuard = field(default_factory=StepGuard, repr=False)
    micro_batch: int | None = None
    owns_folder: bool = True
    paused: bool = False
    parts: dict[str, Part] = field(default_factory=dict)
    saved_parts: dict[str, tuple[dict[str, Tensor], JsonValue]] = field(default_factory=dict)
    stop: Stop = field(default_factory=Stop, repr=False)
    tell: Callable[[str], None] = field(default=lambda text: None, repr=False)

    test: tuple[Metrics, Tally] | None = None  # at the end, of a run whose epochs are evaluated on other images
    averaged: nn.Module | None = None  # the network with the average of the weights, where the recipe has `ema`
    objective: Objective = field(init=False)
    memory: PeakMemory = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.forward = self.model
        self.objective = Objective.of(self.recipe)
        self.memory = PeakMemory(self.device, self.world)
        self.scaler = make_scaler(self.settings.precision, self.device)

    def autocast(self) -> AbstractContextManager[object]:
        """The context for forward pass and loss."""
        return autocast(self.settings.precision, self.device)

    @property
    def tested(self) -> nn.Module:
        """The network that is tested and saved: with the average of the weights where the recipe has `ema`."""
        return self.model if self.averaged is None else self.averaged

    @property
    def epoch(self) -> int:
        """Epochs finished, evaluation included."""
        return len(self.results)

    @property
    def position(self) -> int:
        """Updates done since the last epoch that was finished: all of an epoch's while it is evaluated."""
        return self.step - self.epoch * self.steps_per_epoch

    def keep(self, name: str, part: Part) -> None:
        """Make `part` a piece of every checkpoint; if the run was resumed from one that has it, restore it."""
        if name in self.saved_parts:
            part.restore(*self.saved_parts.pop(name))
        self.parts[name] = part

    def summary(self) -> Summary:
        """What it has come to so far."""
        rule, test = self.recipe.early_stopping, None if self.test is None else self.test[0]
        stopped = why_stop(self.results, rule)
        if self.paused:
            stopped = f"paused after epoch {self.epoch} of {self.recipe.epochs}: the end of the run is still to come"
        return Summary(
            tuple(self.results), stopped, criterion=criterion(self.recipe), test=test,
            memory_measured_as=self.memory.measured_as,
        )

    @property
    def total_steps(self) -> int:
        """Updates of the whole run."""
        return self.recipe.epochs * self.steps_per_epoch


class Watcher:
    """What looks on at a run: the display, the run folder, the checkpoints. Its exceptions end the run."""

    def on_start(self, run: Run) -> None:
        """Before the first step."""

    def on_step(self, run: Run) -> None:
        """After every update. To read from the device here makes every step wait for it."""

    def on_epoch(self, run: Run) -> None:
        """After every epoch's evaluation; `run.results[-1]` is the epoch's result."""

    def on_notice(self, text: str) -> None:
        """Something for the user, in words: `run.tell` was called."""

    def on_stop(self, run: Run) -> None:
        """A signal has ended the run, between two steps, or it is paused: what is not kept now is lost."""

    def on_finish(self, run: Run) -> None:
        """When the last epoch is done and nobody objected."""

    def on_end(self, run: Run) -> None:
        """At the very end, however the run ended; also where `on_start` was not reached."""
