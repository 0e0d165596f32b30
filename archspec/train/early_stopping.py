"""Early stopping as a plain function of the epochs, so that a resumed run decides the same."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.diagnostics import plural
from archspec.language.extras import EarlyStopping
from archspec.language.loss import FIGURES
from archspec.language.recipe import Recipe
from archspec.train.summary import Criterion, EpochResult, signed


def criterion(recipe: Recipe, metric: str | None) -> Criterion:
    """The figure that decides which epoch is best: the one of early stopping, or `metric`, that of the loss."""
    return (metric or "loss") if recipe.early_stopping is None else recipe.early_stopping.metric


def why_stop(results: Sequence[EpochResult], rule: EarlyStopping | None) -> str | None:
    """Why a run should end after these epochs, as a text for the user; None if it should continue."""
    if rule is None or not results:
        return None
    values = [signed(rule.metric, row.figure(rule.metric)) for row in results]
    best = 0
    for k, value in enumerate(values):
        if value > values[best] + rule.min_delta:
            best = k
    waited = len(results) - 1 - best
    if waited < rule.patience:
        return None
    what = f"{results[-1].split} {FIGURES[rule.metric].title}"
    return (
        f"stopped after epoch {len(results)}: {what} has not improved on epoch "
        f"{results[best].epoch}'s {results[best].figure(rule.metric):.4f} for {plural(waited, 'epoch')}"
    )
