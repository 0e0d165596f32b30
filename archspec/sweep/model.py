"""The contents of a sweep file: which networks, what varies, which seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from archspec.language.syntax import At

if TYPE_CHECKING:
    from archspec.sweep.search.model import Search

SECTIONS: Final = ("vars", "train", "stages", "blocks")  # of a spec, whose entries a sweep may change
FIGURES: Final = ("params", "macs", "memory_bound_bytes")  # of a network, known without training
WHOLE: Final = ("recipe", "input")  # keys that a sweep may only change as a whole


@dataclass(frozen=True, slots=True)
class Value:
    """A value in a sweep file, with its place."""

    value: Any
    at: At


Changes = Mapping[str, Value]  # `train.lr`, `vars.width`, `recipe` → its value


@dataclass(frozen=True, slots=True)
class Variant:
    """A network to train: a spec with changes. label: its name in tables."""

    label: str
    spec: Value
    changes: Changes


@dataclass(frozen=True, slots=True)
class Run:
    """A single point beside the product of the axes. seeds: its own; empty for those of the sweep."""

    changes: Changes
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Random:
    """Points drawn at random. draws: key → distribution of its values."""

    trials: int
    seed: int
    draws: Mapping[str, Draw]


@dataclass(frozen=True, slots=True)
class Draw:
    """The distribution of a value: `uniform` or `log_uniform` between two bounds, or one of `choice`.

    whole: whether to round numbers to integers.
    """

    kind: str
    bounds: tuple[float, float] | None
    options: tuple[Any, ...]
    whole: bool
    at: At


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of the combinations: one from each of `trials` equal shares, ranked by a figure of the network."""

    by: str
    trials: int
    seed: int
    at: At


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep file.

    base: changes in every trial. axes: lists of points, whose product gives the trials; an axis is a key of `grid`, or
    all of `zip`, whose lists advance together. runs: single points beside the product. where: conditions on a trial,
    each with its place. limits: `limit_train` and `limit_test`. search: replaces axes and runs by points that are
    chosen one after another. sample: which of the points to train. devices: the number of devices, and processes, of
    each trial.
    """

    name: str
    description: str
    variants: tuple[Variant, ...]
    base: Changes
    axes: tuple[tuple[Changes, ...], ...]
    random: Random | None
    runs: tuple[Run, ...]
    where: tuple[Value, ...]
    seeds: tuple[int, ...]
    limits: Mapping[str, int] = field(default_factory=dict)
    search: Search | None = None
    sample: Sample | None = None
    devices: int = 1

    def with_seeds(self, seeds: tuple[int, ...]) -> Sweep:
        """The same sweep with these seeds for each trial, including `runs`."""
        return replace(self, seeds=seeds, runs=tuple(Run(run.changes) for run in self.runs))
