"""Scores the results of trials for a search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archspec.sweep.search.model import FIGURES

if TYPE_CHECKING:
    from archspec.results.trials import Result
    from archspec.sweep.expand import Trial
    from archspec.sweep.search.costs import Costs


def figure(result: Result, name: str, epochs: int | None = None) -> float | None:
    """`validation_accuracy` or `validation_loss` after `epochs`, by default the last; None if there is none."""
    rows: Sequence[Mapping[str, Any]] = (result.summary or {}).get("epochs", ())
    if not rows:
        return None
    value = rows[min(epochs or len(rows), len(rows)) - 1].get(name)
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def score(result: Result, name: str, epochs: int | None = None) -> float:
    """The figure as a score, where higher is better; -inf if there is none."""
    value = figure(result, name, epochs)
    if value is None:
        return -math.inf
    return -value if name.endswith("loss") else value


def worth(trial: Trial, result: Result, objective: Sequence[str], costs: Costs) -> tuple[float, ...] | None:
    """A score for each objective, where higher is better; None if the trial has no figure."""
    def of(name: str) -> float:
        value = score(result, name) if name in FIGURES else costs.of(trial, name)
        return -math.inf if value is None else value if name in FIGURES else -value

    found = tuple(map(of, objective))
    return found if all(map(math.isfinite, found)) else None


def front(points: Mapping[str, tuple[float, ...]]) -> list[str]:
    """The Pareto front, in order: points that no other point dominates. With one figure, only the best."""
    def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return one != other and all(a >= b for a, b in zip(one, other, strict=True))

    best = [name for name, mine in points.items() if not any(beats(other, mine) for other in points.values())]
    return best[:1] if best and len(points[best[0]]) == 1 else best
