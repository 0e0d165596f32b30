"""Where the time of a pass goes, as plain data. Does not depend on torch at run time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archspec.profile.timeline import Part


@dataclass(frozen=True, slots=True)
class PassTimes:
    """The parts of a pass in milliseconds, and the time of the same pass without hooks.

    parts: means over the faster half of the runs with hooks; they add up to `total_ms`. plain_ms: the mean over the
    faster half of the runs without hooks, which took turns with them. The slower halves are left out, because other
    programs on the machine can only make a run slower. runs: of each kind.
    """

    parts: Mapping[Part, float]
    plain_ms: float
    runs: int

    @property
    def total_ms(self) -> float:
        """The time of the pass with hooks: the sum of its parts."""
        return sum(self.parts.values())

    @property
    def cost_of_measuring(self) -> float:
        """How much longer the pass takes with hooks, as a share of the plain pass; below 0 if noise hides it."""
        return self.total_ms / self.plain_ms - 1 if self.plain_ms else 0.0

    def of(self, kind: str) -> float:
        """The milliseconds of all parts of a kind: layers and what is between them."""
        return sum(ms for part, ms in self.parts.items() if part.kind == kind)

    def layers(self, kind: str) -> dict[str, float]:
        """The milliseconds of each layer in one direction, by its path."""
        return {part.path: ms for part, ms in self.parts.items() if part.kind == kind and part.path}

    def between(self, kind: str) -> float:
        """The milliseconds between the layers in one direction: calls of modules, sums of gradients, the engine."""
        return sum(ms for part, ms in self.parts.items() if part.kind == kind and not part.path)


def faster_half(totals: Sequence[float]) -> list[int]:
    """The indices of the smaller half of some values, rounded up."""
    return sorted(range(len(totals)), key=totals.__getitem__)[: (len(totals) + 1) // 2]


def summed_up(runs: Sequence[Mapping[Part, float]], plain: Sequence[float]) -> PassTimes:
    """The times of a pass. runs: the seconds of each part in each run with hooks. plain: seconds without."""
    kept = faster_half([sum(run.values()) for run in runs])
    parts = dict.fromkeys(part for run in runs for part in run)
    means = {part: 1000 * sum(runs[k].get(part, 0.0) for k in kept) / len(kept) for part in parts}
    usual = faster_half(plain)
    return PassTimes(means, 1000 * sum(plain[k] for k in usual) / len(usual), len(runs))
