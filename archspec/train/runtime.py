"""Where and how a run computes: nothing that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from archspec.train.distributed.process_group import ALONE, ProcessGroup
from archspec.train.peak_memory import PeakMemory
from archspec.train.signals import Stop
from archspec.train.step.precision import Settings, autocast


@dataclass
class Runtime:
    """The device, the precision, the processes, and the callable of a training step.

    forward: what a step calls instead of the model, whose parameters it shares: the same network, compiled, or wrapped
    for data parallelism. parallel: the wrapped network, with several processes. stop: signals heard between two steps.
    memory: the most that the run has taken.
    """

    device: torch.device
    forward: Callable[[Tensor], Tensor] = field(repr=False)
    settings: Settings = field(default_factory=Settings)
    processes: ProcessGroup = ALONE
    parallel: nn.Module | None = field(default=None, repr=False)
    stop: Stop = field(default_factory=Stop, repr=False)
    memory: PeakMemory = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.memory = PeakMemory(self.device, self.processes)

    def autocast(self) -> AbstractContextManager[object]:
        """The context for forward pass and loss."""
        return autocast(self.settings.precision, self.device)
