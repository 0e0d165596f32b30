"""The costs of a network, which are known before it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from archspec.ir import Graph
    from archspec.sweep.expand import Trial
    from archspec.sweep.search.times import Times

_SLOW: Final = {"memory_bytes": 1, "milliseconds": 2}


class Costs:
    """The costs of networks. times: measures `milliseconds`; without it they are unknown and unconstrained."""

    def __init__(self, times: Times | None = None) -> None:
        self.times = times

    def of(self, trial: Trial, name: str) -> float | None:
        """`params`, `macs` or `milliseconds` of one image, or `memory_bytes` of a training step; None if unknown."""
        report = trial.loaded.report
        if name == "milliseconds":
            return None if self.times is None else self.times.of(trial)
        if name == "memory_bytes":
            return memory_bytes(trial)
        return report.params if name == "params" else report.macs

    def excess(self, trial: Trial, constraints: Mapping[str, float]) -> dict[str, float]:
        """The relative excess of a trial over each constraint that it violates.

        Costs that take long to measure are only checked if the trial meets all other constraints.
        """
        found: dict[str, float] = {}
        for name, most in sorted(constraints.items(), key=lambda item: _SLOW.get(item[0], 0)):
            if name in _SLOW and found:
                continue
            value = self.of(trial, name)
            if value is not None and value > most:
                found[name] = value / most - 1
        return found


def memory_bytes(trial: Trial) -> int:
    """The peak memory of a training step with the trial's batch size and optimizer. Allocates nothing."""
    from archspec.analysis.parts import frozen_tensors
    from archspec.ir.digest import graph_digest
    from archspec.language.recipe import kept_states

    graph, recipe = trial.loaded.graph, trial.recipe
    known = _Known(graph, graph_digest(graph))
    frozen = frozen_tensors(graph, recipe)
    recompute = frozenset(recipe.recompute or ())
    return _step_bytes(known, recipe.batch_size, kept_states(recipe), recipe.accumulate, frozen, recompute)


class _Known:
    """A graph that is compared by its digest, so that results are cached for equal graphs."""

    def __init__(self, graph: Graph, digest: str) -> None:
        self.graph, self._digest = graph, digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and other._digest == self._digest

    def __hash__(self) -> int:
        return hash(self._digest)


@lru_cache(maxsize=64)
def _step_bytes(
    known: _Known, batch_size: int, states: int, accumulate: int, frozen: frozenset[str], recompute: frozenset[str]
) -> int:
    from archspec.backends.step import step_bytes

    return step_bytes(
        known.graph, batch_size, states=states, accumulate=accumulate, frozen=frozen, recompute=recompute
    )
