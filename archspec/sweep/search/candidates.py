"""Turns points of the search space into trials, or rejects them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from archspec.data.validation import DEFAULT_SHARE, resolve_validation
from archspec.diagnostics import error
from archspec.sweep.draws import points_of
from archspec.sweep.expand import Checker, Expansion, Invalid, Trial
from archspec.sweep.model import Changes, Sweep
from archspec.sweep.points import Point
from archspec.sweep.search.asha import Ladder
from archspec.sweep.search.costs import Costs
from archspec.sweep.search.model import Search

DRAWS: Final = 20  # the most points to draw per trial; if none of them may start, the space is too wide
SAMPLE: Final = 20  # random points that represent a space whose sampler chooses points only during the search


@dataclass(frozen=True, slots=True)
class Unfit:
    """A rejected point. excess: constraint → relative excess; empty if a `where` rejects it."""

    excess: Mapping[str, float]


class Repeats:
    """Detects that a space has no new points, from many repeated points in a row."""

    MOST: Final = 50

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._in_a_row = 0

    def add(self, values: Mapping[str, Any]) -> bool:
        """Whether the point is new."""
        key = json.dumps(values, sort_keys=True, default=str)
        new = key not in self._known
        self._known.add(key)
        self._in_a_row = 0 if new else self._in_a_row + 1
        return new

    @property
    def exhausted(self) -> bool:
        """Whether to stop asking for points."""
        return self._in_a_row >= self.MOST


class Candidates:
    """Checks the points of a search."""

    def __init__(self, sweep: Sweep, file: str, costs: Costs | None = None) -> None:
        assert sweep.search is not None
        self.search: Search = sweep.search
        self.costs = costs or Costs()
        self._variant, self._base = sweep.variants[0], sweep.base
        self._checker = Checker(sweep, file)

    def judge(self, changes: Changes) -> Trial | Invalid | Unfit:
        """The trial of a point, whose recipe has a validation set, or why the point must not start.

        Raises SpecError SWEEP407 if the recipe has `validation: test`.
        """
        varied = {key: value.value for key, value in changes.items()}
        found = self._checker.check(Point(self._variant, {**self._base, **changes}, varied))
        if found is None:
            return Unfit({})
        if isinstance(found, Invalid):
            return found
        above = self.costs.excess(found, self.search.constraints)
        return Unfit(above) if above else self._with_validation(found)

    def _with_validation(self, trial: Trial) -> Trial:
        recipe = resolve_validation(trial.recipe)
        if recipe.validation == "test":
            raise error(
                "SWEEP407", "a search chooses by the validation set, and the recipe has `validation: test`",
                span=self.search.at.span(), hint="add `set: {train.validation: 0.1}`",
            )
        recipe = recipe.model_copy(update={"validation": recipe.validation or DEFAULT_SHARE})
        train = {**trial.data["train"], "validation": recipe.validation}
        data = {**trial.data, "train": train}
        return replace(trial, data=data, loaded=replace(trial.loaded, data=data, recipes={"train": recipe}))

    def ladder(self, trial: Trial) -> Ladder:
        """The rungs of a trial; only one, after all epochs, without `prune`."""
        asha, epochs = self.search.asha, trial.recipe.epochs
        return Ladder((epochs,), 2) if asha is None else Ladder.of(asha, epochs)


def sample(sweep: Sweep, file: str) -> Expansion:
    """Trials of a search: those of the random sampler, or a few random ones that represent another sampler's.

    Raises SpecError SWEEP406 if ASHA does not suit the epochs, SWEEP408 if no point meets the constraints.
    """
    candidates = Candidates(sweep, file)
    search = candidates.search
    needed = search.trials if search.sampler == "random" else min(search.trials, SAMPLE)
    trials: dict[str, Trial] = {}
    invalid: list[Invalid] = []
    unfit: list[Unfit] = []
    repeats = Repeats()
    for changes in islice(points_of(search.draws, search.seed), DRAWS * needed):
        if repeats.exhausted:
            break
        if not repeats.add({key: value.value for key, value in changes.items()}):
            continue
        found = candidates.judge(changes)
        if isinstance(found, Trial):
            trials.setdefault(found.id, found)
        elif isinstance(found, Invalid):
            invalid.append(found)
        else:
            unfit.append(found)
        if len(trials) == needed or len(invalid) > needed:
            break
    if unfit and not trials and not invalid:
        raise _nothing_fits(search, unfit)
    _check_epochs(search, trials)
    return Expansion(tuple(trials.values()), len(unfit), tuple(invalid))


def _nothing_fits(search: Search, unfit: list[Unfit]) -> Exception:
    nearest = min(unfit, key=lambda point: sum(point.excess.values()))
    notes = [
        f"the nearest one has {most * (1 + nearest.excess[name]):,.0f} {name}, {most:,} are allowed"
        for name, most in search.constraints.items() if name in nearest.excess
    ]
    return error(
        "SWEEP408", f"none of {len(unfit)} points drawn from `space` may start: constraints or `where` rule them out",
        span=(search.at / "space").span(), notes=notes, hint="raise the constraint, or add smaller networks to `space`",
    )


def _check_epochs(search: Search, trials: Mapping[str, Trial]) -> None:
    if search.asha is None:
        return
    epochs = sorted({trial.recipe.epochs for trial in trials.values()})
    if len(epochs) > 1:
        raise error(
            "SWEEP406", f"ASHA compares trials after equal epochs, and the recipes have {epochs[0]} to {epochs[-1]}",
            span=search.asha.at.span(), hint=f"fix it: `set: {{train.epochs: {epochs[-1]}}}`",
        )
    if epochs and epochs[0] <= search.asha.min_epochs:
        raise error(
            "SWEEP406", f"ASHA ends no trial: `min_epochs` is {search.asha.min_epochs}, the recipe has {epochs[0]}",
            span=search.asha.at.span(),
            hint=f"lower `min_epochs`, or raise the epochs: `set: {{train.epochs: {search.asha.three_rungs}}}`",
        )
