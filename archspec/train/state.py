"""What training changes: all that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from archspec.train.metrics import Meter
from archspec.train.summary import EpochResult

if TYPE_CHECKING:
    from pydantic import JsonValue


class Part(Protocol):
    """State that a callback keeps, such as an average of the weights.

    `state.keep(NAME, part)` adds it to every checkpoint, and restores it in a run that is resumed from one that has it.
    """

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors, under names that the part chooses."""

    def data(self) -> JsonValue:
        """The rest of it, as plain data."""

    def restore(self, tensors: Mapping[str, Tensor], data: JsonValue) -> None:
        """Take the state that `tensors` (on the CPU) and `data` describe."""


@dataclass
class TrainingState:
    """A training between two steps. A checkpoint is this, the random numbers, and nothing else.

    step: updates done. results: of the epochs that are finished. meter: figures of the training pass in progress.
    scaler: of the loss in fp16, otherwise disabled. micro_batch: the most images that go through the network at once,
    set when memory was short; an update still sees a whole batch. averaged: the network with the average of the
    weights, where the recipe has `ema`. parts, saved_parts: see `keep`.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    steps_per_epoch: int
    step: int = 0
    results: list[EpochResult] = field(default_factory=list)
    meter: Meter = field(init=False)
    micro_batch: int | None = None
    averaged: nn.Module | None = None
    parts: dict[str, Part] = field(default_factory=dict)
    saved_parts: dict[str, tuple[dict[str, Tensor], JsonValue]] = field(default_factory=dict)

    @property
    def eval_model(self) -> nn.Module:
        """The network to evaluate and to save: with the average of the weights where the recipe has `ema`."""
        return self.model if self.averaged is None else self.averaged

    @property
    def epoch(self) -> int:
        """Epochs finished, evaluation included."""
        return len(self.results)

    @property
    def position(self) -> int:
        """Updates done since the last finished epoch: all of an epoch's while it is evaluated."""
        return self.step - self.epoch * self.steps_per_epoch

    def keep(self, name: str, part: Part) -> None:
        """Add `part` to every checkpoint; if the run was resumed from one that has it, restore it."""
        if name in self.saved_parts:
            part.restore(*self.saved_parts.pop(name))
        self.parts[name] = part
