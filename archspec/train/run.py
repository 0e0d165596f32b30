"""A run: its state, where it computes, and how it handles a bad step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import nn, optim

from archspec.data.batches import Batch
from archspec.language.recipe import Recipe
from archspec.train.distributed.process_group import ALONE, ProcessGroup
from archspec.train.early_stopping import criterion, why_stop
from archspec.train.metrics import Meter, Metrics
from archspec.train.objective import Objective
from archspec.train.runtime import Runtime
from archspec.train.schedule import RateAt
from archspec.train.state import TrainingState
from archspec.train.step.policy import StepPolicy
from archspec.train.step.precision import Settings, make_scaler
from archspec.train.summary import Criterion, Summary

if TYPE_CHECKING:
    import torch

    from archspec.train.report.confusion import Tally


@dataclass
class Run:
    """What the loop works on, and what callbacks see.

    state: what training changes. runtime: where it computes. policy: checks and repeats steps. rate_at: step → learning
    rate. batch: the batch of the current or last step. test: the final test result, if the epochs are evaluated on a
    validation set. owns_folder: False if another process has taken over the run folder; then this one writes nothing
    there. paused: stopped early by `stop_after`. samples: what a batch consists of, images or samples. notify: shows a
    line to the user.
    """

    recipe: Recipe
    state: TrainingState
    runtime: Runtime
    rate_at: RateAt
    policy: StepPolicy = field(default_factory=StepPolicy, repr=False)
    objective: Objective = field(init=False)
    batch: Batch = field(init=False, repr=False)
    test: tuple[Metrics, Tally] | None = None
    owns_folder: bool = True
    paused: bool = False
    samples: str = "images"
    notify: Callable[[str], None] = field(default=lambda text: None, repr=False)

    def __post_init__(self) -> None:
        self.objective = Objective.of(self.recipe)

    @classmethod
    def create(
        cls, model: nn.Module, optimizer: optim.Optimizer, rate_at: RateAt, device: torch.device, recipe: Recipe,
        steps_per_epoch: int, settings: Settings | None = None, group: ProcessGroup = ALONE,
    ) -> Run:
        """A run before its first step. model: on `device`. optimizer: holds the parameters of `model`."""
        settings = settings or Settings()
        state = TrainingState(model, optimizer, make_scaler(settings.precision, device), steps_per_epoch)
        return cls(recipe, state, Runtime(device, model, settings, group), rate_at)

    def new_meter(self) -> Meter:
        """A meter for the training pass of the epoch that begins, or is in progress."""
        state, runtime = self.state, self.runtime
        first = state.epoch * state.steps_per_epoch
        return Meter(
            state.steps_per_epoch, runtime.device, first, runtime.group, self.objective.score, training=True
        )

    def summary(self) -> Summary:
        """The results so far."""
        results, test = self.state.results, None if self.test is None else self.test[0]
        stopped = why_stop(results, self.recipe.early_stopping)
        if self.paused:
            done = f"epoch {self.state.epoch} of {self.recipe.epochs}"
            stopped = f"paused after {done}: the run is not finished"
        measured_as = self.runtime.memory.measured_as
        return Summary(
            tuple(results), stopped, criterion=self.criterion, test=test, memory_measured_as=measured_as,
            samples=self.samples,
        )

    @property
    def criterion(self) -> Criterion:
        """The figure that decides which epoch is the best."""
        return criterion(self.recipe, self.objective.score.name)

    @property
    def total_steps(self) -> int:
        """The number of updates of the whole run."""
        return self.recipe.epochs * self.state.steps_per_epoch
