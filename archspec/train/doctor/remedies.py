"""The changes to try for a verdict, the most promising first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from archspec.train.doctor.advice import ADAM_RATE, ADAMS, usual_rate
from archspec.train.doctor.edit import RECTIFIER
from archspec.train.doctor.finding import Finding, rounded
from archspec.train.doctor.history import History

if TYPE_CHECKING:
    from archspec.language.recipe import Recipe

Change = dict[str, Any]
WARM: Final = 30  # steps of the warm-up to try
TOO_HIGH: Final = frozenset({"RUN341", "RUN342", "RUN344", "RUN346", "RUN347"})
HIGHEST: Final = 10.0
HELP: Final[tuple[Change, ...]] = (
    {"layers.norm": "batch_norm"}, {"train.init": "kaiming_normal"}, {"train.init": "xavier_uniform"},
)
BENT: Final[Change] = {"layers.activation": RECTIFIER, "train.init": "kaiming_normal"}


def remedies(finding: Finding, history: History, recipe: Recipe) -> list[list[Change]]:
    """Groups of changes. If a change of a group helps, later groups need not be tried."""
    first: list[Change] = [] if finding.change is None else [dict(finding.change)]
    groups = [first, *_by_verdict(finding.code, history, recipe)]
    seen: list[Change] = []
    found = []
    for group in groups:
        fresh = [change for change in group if change not in seen and _changes(change, history, recipe)]
        seen += fresh
        found += [fresh] if fresh else []
    return found


def _by_verdict(code: str, history: History, recipe: Recipe) -> Iterator[list[Change]]:
    warm: Change = {"train.warmup": {"steps": WARM}}
    if code == "RUN355":
        yield [{"layers.dropout": 0}]
    if code == "RUN356":
        yield [{"train.weight_decay": 0}]
    if code in TOO_HIGH:
        yield _rates(recipe, (1 / 3, 1 / 10, 1 / 30))
        yield [warm]
    if code == "RUN345":
        yield [{"train.lr": usual_rate(recipe.optimizer)}]
        yield [*_rates(recipe, (30, 100))]
        yield [_adam(recipe)]
        yield [change | _adam(recipe) for change in (*HELP, BENT)]
        yield [*_rates(recipe, (10, 300, 1000))]
        return
    if code == "RUN343":
        yield [BENT, *HELP]
        yield [change | _adam(recipe) for change in (BENT, *HELP)]
        yield [change | rate for change in (BENT, *HELP) for rate in _rates(recipe, (1 / 10, 10))]
    yield [{"train.weight_decay": 0}]
    yield [{"layers.dropout": 0}]
    yield [{"train.clip_grad_norm": None}]
    yield _rates(recipe, (3, 1 / 3, 10, 1 / 10, 30, 1 / 30))
    yield [warm, *HELP, BENT]
    yield [_adam(recipe)]
    yield [change | _adam(recipe) for change in (*HELP, BENT)]


def _rates(recipe: Recipe, factors: tuple[float, ...]) -> list[Change]:
    rates = [rounded(factor * recipe.lr) for factor in factors]
    return [{"train.lr": rate} for rate in rates if 0 < rate <= HIGHEST or rate < recipe.lr]


def _adam(recipe: Recipe) -> Change:
    return {"train.optimizer": "adam", "train.lr": ADAM_RATE}


def _changes(change: Change, history: History, recipe: Recipe) -> bool:
    """Whether the change has any effect on this run."""
    facts, data = history.facts, recipe.to_data()
    if change.get("layers.dropout") == 0 and not facts.dropout:
        return False
    if "layers.norm" in change and facts.batch_norm:
        return False
    if "layers.activation" in change and not facts.saturates:
        return False
    if change.get("train.optimizer") in ADAMS and recipe.optimizer in ADAMS and recipe.lr <= ADAM_RATE:
        return False
    if change.get("train.init") == recipe.init.weights or ("train.init" in change and recipe.init.source is not None):
        return False
    fields = {key.removeprefix("train."): value for key, value in change.items() if key.startswith("train.")}
    return not fields or len(fields) < len(change) or any(data.get(key) != value for key, value in fields.items())
