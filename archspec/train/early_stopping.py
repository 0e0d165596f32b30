"""Early stopping as a plain function of the epochs, so that a resumed run decides the same."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.diagnostics import plural
from archspec.language.extras import EarlyStopping
from archspec.language.recipe import Recipe
from archspec.train.summary import Criterion, EpochResult


def criterion(recipe: Recipe) -> Criterion:
    """The figure that decides which epoch is best: the one of early stopping, or the accuracy."""
    return "accuracy" if recipe.early_stopping is None else recipe.early_stopping.metric


def why_stop(results: Sequence[EpochResult], rule: EarlyStopping | None) -> str | None:
    """Why a run should end after these epochs, as a text for the user; None if it should continue."""
    if rule is None or not results:
        return None
    sign = 1 if rule.metric == "accuracy" else -1
    values = [sign * getattr(row, f"evaluated_{rule.metric}") for row in results]
    best = 0
    for k, value in enumerate(values):
        if value > values[best] + rule.min_delta:
            best = k
    waited = len(results) - 1 - best
    if waited < rule.patience:
        return None
    return (
        f"stopped after epoch {len(results)}: {results[-1].split} {rule.metric} has not improved on epoch "
        f"{results[best].epoch}'s {abs(values[best]):.4f} for {plural(waited, 'epoch')}"
    )
