"""What happens to a step that cannot be used as it is: its numbers are not finite, or memory is too short for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from archspec.train.checkpoint.rng import random_state, set_random_state

if TYPE_CHECKING:
    from archspec.train.run import Run


class StepPolicy:
    """Keeps what a second try of a step needs, so that it can be done again in smaller pieces; checks nothing.

    `NonFinitePolicy` also checks every step before its update.
    """

    def __init__(self) -> None:
        self._random: dict[str, Tensor] = {}
        self._buffers: list[Tensor] | None = None

    def on_start(self, run: Run) -> None:
        """Before the first step, after a checkpoint was restored."""

    def before_step(self, run: Run) -> None:
        """Keep random numbers and buffers; the batch is there, nothing is computed yet. No wait for the device."""
        self._random = random_state(run.runtime.device)
        if self._buffers is None:
            self._buffers = [buffer.clone() for buffer in run.state.model.buffers()]
        elif self._buffers:
            torch._foreach_copy_(self._buffers, list(run.state.model.buffers()))

    def put_back(self, run: Run) -> None:
        """Restore what `before_step` kept, and drop the gradients."""
        run.state.optimizer.zero_grad(set_to_none=True)
        set_random_state(run.runtime.device, self._random)
        for buffer, before in zip(run.state.model.buffers(), self._buffers or (), strict=True):
            buffer.copy_(before)

    def on_loss(self, run: Run, loss: Tensor) -> Tensor:
        """The loss to differentiate, shape ()."""
        return loss

    def before_update(self, run: Run, loss: Tensor) -> None:
        """After the backward pass. An exception leaves the weights as they are."""

    def after_update(self, run: Run) -> None:
        """After the update, before the callbacks."""

    def after_epoch(self, run: Run) -> None:
        """After an epoch's evaluation, before the callbacks."""

    def after_test(self, run: Run) -> None:
        """After the test set was evaluated, where the epochs are evaluated on a validation set."""

    def before_save(self, run: Run) -> None:
        """Before a checkpoint is written. An exception keeps it from being written."""
