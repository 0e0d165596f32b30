"""A moving average of the weights, which often generalises better than the last weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from archspec.train.callbacks import Callback, Phase
from archspec.train.run import Run

if TYPE_CHECKING:
    from pydantic import JsonValue


class Average(Callback):
    """Exponential moving average of all floating-point parameters and buffers; integer buffers are copied.

    After step t, counted from 1, the average moves towards the weights by 1 - min(decay, (1 + t) / (10 + t)), so it
    forgets the start quickly even in a short run. Source: TensorFlow's ExponentialMovingAverage with num_updates;
    Polyak & Juditsky 1992.
    model: the network with the averaged weights, in eval mode, on the same device.
    """

    phase = Phase.UPDATE

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._averages: list[Tensor] = []
        self._sources: list[Tensor] = []
        self._counters: list[tuple[Tensor, Tensor]] = []

    def on_start(self, run: Run) -> None:
        """Start from the current weights, or from the average in the checkpoint."""
        self.model.load_state_dict(run.state.model.state_dict())
        pairs = list(zip(self.model.state_dict().values(), run.state.model.state_dict().values(), strict=True))
        self._averages = [mine for mine, _ in pairs if mine.is_floating_point()]
        self._sources = [theirs for mine, theirs in pairs if mine.is_floating_point()]
        self._counters = [pair for pair in pairs if not pair[0].is_floating_point()]
        run.state.keep("ema", self)

    @torch.no_grad()
    def on_step(self, run: Run) -> None:
        """Move the average towards the weights, without waiting for the device."""
        weight = 1 - min(self.decay, (1 + run.state.step) / (10 + run.state.step))
        torch._foreach_lerp_(self._averages, self._sources, weight)
        for mine, theirs in self._counters:
            mine.copy_(theirs)

    def tensors(self) -> dict[str, Tensor]:
        """The averaged tensors, for a checkpoint."""
        return dict(self.model.state_dict())

    def data(self) -> JsonValue:
        """None: the average has no other state."""
        return None

    def restore(self, tensors: Mapping[str, Tensor], data: JsonValue) -> None:
        """Load the average of a checkpoint. Raises RuntimeError for tensors of another network."""
        self.model.load_state_dict(dict(tensors))
