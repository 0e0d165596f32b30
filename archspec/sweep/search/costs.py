"""What a network costs, known before it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archspec.ir import Graph
    from archspec.sweep.expand import Trial


def cost(trial: Trial, name: str) -> int:
    """`params`, `macs` of one image, or `memory_bytes` of a training step."""
    report = trial.loaded.report
    if name == "params":
        return report.params
    return report.macs if name == "macs" else memory_bytes(trial)


def memory_bytes(trial: Trial) -> int:
    """The peak of a training step with the trial's batch and optimizer. Allocates nothing."""
    from archspec.ir.digest import graph_digest
    from archspec.language.recipe import kept_states

    graph, recipe = trial.loaded.graph, trial.recipe
    return _step_bytes(_Known(graph, graph_digest(graph)), recipe.batch_size, kept_states(recipe))


def excess(trial: Trial, constraints: Mapping[str, int]) -> dict[str, float]:
    """How far a trial is above each constraint that it breaks, as a share of it; memory only if it breaks no other."""
    found: dict[str, float] = {}
    for name, most in sorted(constraints.items(), key=lambda item: item[0] == "memory_bytes"):
        if name == "memory_bytes" and found:  # which takes a while to find out
            continue
        share = cost(trial, name) / most - 1
        if share > 0:
            found[name] = share
    return found


class _Known:
    """A graph that equals others of its digest: what is computed of one holds for all."""

    def __init__(self, graph: Graph, digest: str) -> None:
        self.graph, self._digest = graph, digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and other._digest == self._digest

    def __hash__(self) -> int:
        return hash(self._digest)


@lru_cache(maxsize=64)
def _step_bytes(known: _Known, batch_size: int, states: int) -> int:
    from archspec.backends.step import step_bytes

    return step_bytes(known.graph, batch_size, states=states)
