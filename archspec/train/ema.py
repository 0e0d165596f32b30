"""A moving average of the weights, which often generalises better than the last ones."""

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
    """Exponential moving average of all floating-point parameters and buffers; counters are the last ones.

    After step t (from 1) the average moves towards the weights by 1 - min(decay, (1 + t) / (10 + t)): so it soon
    forgets the start, also in a short run. Source: TensorFlow's ExponentialMovingAverage with num_updates;
    Polyak & Juditsky 1992.
    model: the network with the averaged weights, in evaluation mode, on the device of the other.
    """

    phase = Phase.UPDATE

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._averages: list[Tensor] = []
        self._sources: list[Tensor] = []
        self._counters: list[tuple[Tensor, Tensor]] = []

    def on_start(self, run: Run) -> None:
        """Begin with the weights as they are, or go on from what a checkpoint held."""
        self.model.load_state_dict(run.state.model.state_dict())
        pairs = list(zip(self.model.state_dict().values(), run.state.model.state_dict().values(), strict=True))
        self._averages = [mine for mine, _ in pairs if mine.is_floating_point()]
        self._sources = [theirs for mine, theirs in pairs if mine.is_floating_point()]
        self._counters = [pair for pair in pairs if not pair[0].is_floating_point()]
        run.state.keep("ema", self)

    @torch.no_grad()
    def on_step(self, run: Run) -> None:
        """Move towards the weights, without waiting for the device."""
        weight = 1 - min(self.decay, (1 + run.state.step) / (10 + run.state.step))
        torch._foreach_lerp_(self._averages, self._sources, weight)
        for mine, theirs in self._counters:
            mine.copy_(theirs)

    def tensors(self) -> dict[str, Tensor]:
        """The average, for a checkpoint."""
        return dict(self.model.state_dict())

    def data(self) -> JsonValue:
        """There is nothing else."""
        return None

    def restore(self, tensors: Mapping[str, Tensor], data: JsonValue) -> None:
        """Become what a checkpoint held. Raises RuntimeError for tensors of another network."""
        self.model.load_state_dict(dict(tensors))
