"""Where and how a run computes; not part of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from archspec.train.distributed.process_group import ALONE, ProcessGroup
from archspec.train.peak_memory import PeakMemory
from archspec.train.signals import Stop
from archspec.train.step.precision import Settings, autocast


@dataclass
class Runtime:
    """The device, the settings, the processes, and the function that a training step calls.

    forward: the model, possibly compiled or wrapped for data parallelism; it shares the model's parameters. group: the
    processes that train together. parallel: the wrapped model if there are several. stop: handles signals between two
    steps. memory: the peak memory of the run.
    """

    device: torch.device
    forward: Callable[..., Any] = field(repr=False)
    settings: Settings = field(default_factory=Settings)
    group: ProcessGroup = ALONE
    parallel: nn.Module | None = field(default=None, repr=False)
    stop: Stop = field(default_factory=Stop, repr=False)
    memory: PeakMemory = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.memory = PeakMemory(self.device, self.group)

    def autocast(self) -> AbstractContextManager[object]:
        """The autocast context for forward pass and loss."""
        return autocast(self.settings.precision, self.device)
