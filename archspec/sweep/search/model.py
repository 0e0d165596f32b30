"""The contents of the `search` section of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from archspec.language.syntax import At
from archspec.sweep.model import Draw

Sampler = Literal["random", "tpe"]
FIGURES: Final = ("validation_accuracy", "validation_loss")  # of a trained network; the first is the default
COSTS: Final = ("params", "macs", "memory_bytes", "milliseconds")  # of a network before training; less is better


@dataclass(frozen=True, slots=True)
class Asha:
    """Asynchronous successive halving: rungs at `min_epochs`, `reduction` times as many epochs, and so on."""

    min_epochs: int
    reduction: int
    at: At

    @property
    def three_rungs(self) -> int:
        """A number of epochs that gives three rungs."""
        return self.min_epochs * self.reduction**2


@dataclass(frozen=True, slots=True)
class Search:
    """A search.

    trials: the number of points to train. seed: of the sampler. draws: key → distribution of its values.
    objective: one figure, or a figure and costs for a Pareto front. constraints: cost → its upper limit.
    """

    sampler: Sampler
    trials: int
    seed: int
    draws: Mapping[str, Draw]
    objective: tuple[str, ...]
    asha: Asha | None
    constraints: Mapping[str, float]
    at: At
