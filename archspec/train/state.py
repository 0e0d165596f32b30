"""The state that training changes, which is what a checkpoint holds."""

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
    """The state of a callback, such as an average of the weights.

    `state.keep(NAME, part)` adds it to every checkpoint, and restores it when a run resumes from such a checkpoint.
    """

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors, by names that the part chooses."""

    def data(self) -> JsonValue:
        """The rest of the state, as plain data."""

    def restore(self, tensors: Mapping[str, Tensor], data: JsonValue) -> None:
        """Set the state to `tensors` (on the CPU) and `data`."""


@dataclass
class TrainingState:
    """A training between two steps. A checkpoint holds this and the state of the random numbers, and nothing else.

    step: updates done. results: one per finished epoch. meter: figures of the training pass in progress. scaler:
    scales the loss in fp16, disabled otherwise. micro_batch: the most images in one forward pass, set after memory
    ran out; an update still uses the whole batch. averaged: the network with the averaged weights, if the recipe has
    `ema`. parts, saved_parts: see `keep`.
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
        """The network to evaluate and to save: with averaged weights if the recipe has `ema`."""
        return self.model if self.averaged is None else self.averaged

    @property
    def epoch(self) -> int:
        """The number of finished epochs, evaluation included."""
        return len(self.results)

    @property
    def position(self) -> int:
        """Updates done since the last finished epoch. During evaluation these are all updates of the epoch."""
        return self.step - self.epoch * self.steps_per_epoch

    def keep(self, name: str, part: Part) -> None:
        """Add `part` to every checkpoint, and restore it if the run resumed from a checkpoint that has it."""
        if name in self.saved_parts:
            part.restore(*self.saved_parts.pop(name))
        self.parts[name] = part
