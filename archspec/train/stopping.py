"""When to end a run before its last epoch: a plain function of its epochs, so that a resumed run agrees."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.spec.extras import EarlyStopping
from archspec.train.summary import EpochResult


def why_stop(results: Sequence[EpochResult], rule: EarlyStopping | None) -> str | None:
    """Why a run should end after these epochs, in words; None if it should go on."""
    if rule is None or not results:
        return None
    sign = 1 if rule.metric == "test_accuracy" else -1
    values = [sign * getattr(row, rule.metric) for row in results]
    best = 0
    for k, value in enumerate(values):
        if value > values[best] + rule.min_delta:
            best = k
    waited = len(results) - 1 - best
    if waited < rule.patience:
        return None
    name, figure = rule.metric.replace("_", " "), getattr(results[best], rule.metric)
    return (
        f"stopped after epoch {len(results)}: {name} has not improved on epoch {results[best].epoch}'s "
        f"{figure:.4f} for {waited} epoch{'s' * (waited != 1)}"
    )
