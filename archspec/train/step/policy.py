"""How to handle a step that fails because its values are not finite or because memory is too short."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from archspec.train.checkpoint.rng import random_state, set_random_state

if TYPE_CHECKING:
    from archspec.train.run import Run


class StepPolicy:
    """Keeps what is needed to repeat a step in smaller pieces.

    It checks nothing; the subclass `NonFinitePolicy` checks every step before its update.
    """

    def __init__(self) -> None:
        self._random: dict[str, Tensor] = {}
        self._buffers: list[Tensor] | None = None

    def on_start(self, run: Run) -> None:
        """Called before the first step, after a checkpoint was restored."""

    def before_step(self, run: Run) -> None:
        """Keep random state and buffers before the step computes anything, without waiting for the device."""
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
        """Called after the backward pass. If it raises, the weights are not updated."""

    def after_update(self, run: Run) -> None:
        """Called after the update, before the callbacks."""

    def after_epoch(self, run: Run) -> None:
        """Called after an epoch's evaluation, before the callbacks."""

    def after_test(self, run: Run) -> None:
        """Called after the final test, if the epochs are evaluated on a validation set."""

    def before_save(self, run: Run) -> None:
        """Called before a checkpoint is written. If it raises, the checkpoint is not written."""
