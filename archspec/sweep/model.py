"""A sweep as it is written: which networks, what varies, over which seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from archspec.language.syntax import At

if TYPE_CHECKING:
    from archspec.sweep.search.model import Search

SECTIONS: Final = ("vars", "train", "stages", "blocks")  # of a spec, whose entries a sweep may change
FIGURES: Final = ("params", "macs", "memory_bound_bytes")  # of a network, known without training it
WHOLE: Final = ("recipe", "input")  # what a sweep may change besides


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a sweep and where it stands."""

    value: Any
    at: At


Changes = Mapping[str, Value]  # `train.lr`, `vars.width`, `recipe` → its value


@dataclass(frozen=True, slots=True)
class Variant:
    """A network to train: a spec with changes. label: how tables call it."""

    label: str
    spec: Value
    changes: Changes


@dataclass(frozen=True, slots=True)
class Run:
    """A single departure from the base. seeds: its own; none where it has the sweep's."""

    changes: Changes
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Random:
    """Points drawn at random. draws: key → what its value is drawn from."""

    trials: int
    seed: int
    draws: Mapping[str, Draw]


@dataclass(frozen=True, slots=True)
class Draw:
    """One random value: `uniform` or `log_uniform` between two bounds, or one of `choice`.

    whole: numbers are rounded to integers.
    """

    kind: str
    bounds: tuple[float, float] | None
    options: tuple[Any, ...]
    whole: bool
    at: At


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the combinations: one from each of `trials` equal shares of all, ranked by a figure of the network."""

    by: str
    trials: int
    seed: int
    at: At


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep file.

    base: changes of every trial. axes: each a list of points; the trials are their product. An axis is a key of `grid`,
    or all of `zip`, whose lists advance together. runs: single departures from the base, beside the product.
    where: conditions on a trial, each with its place. limits: `limit_train` and `limit_test`.
    search: instead of axes and runs, points that are chosen one after another. sample: which of the points to train.
    devices: how many each trial trains on, in as many processes.
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
        """The same sweep with these seeds for each trial, those of its `runs` too."""
        return replace(self, seeds=seeds, runs=tuple(Run(run.changes) for run in self.runs))
