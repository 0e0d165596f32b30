"""Expands a sweep into trials: every combination, checked, each with its complete spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

from archspec.api import Loaded, examine
from archspec.diagnostics import Diagnostic, Label, SpecError
from archspec.language.names import names_in
from archspec.language.recipe import Recipe
from archspec.language.syntax import At
from archspec.sweep.conditions import condition_of, holds
from archspec.sweep.model import Sweep
from archspec.sweep.names import Names
from archspec.sweep.overlay import resolved_data
from archspec.sweep.points import Point, points
from archspec.sweep.read import spec_path
from archspec.train.distributed.batch_shares import uneven_batch


@dataclass(frozen=True)
class Trial:
    """One training of a sweep.

    varied: the values that distinguish it from the others, with `spec` if there are several. data: the complete spec,
    whose `train` is the recipe with the seed. loaded: that spec, checked. devices: the number of devices it trains on.
    """

    variant: str
    varied: Mapping[str, Any]
    seed: int
    data: Mapping[str, Any]
    loaded: Loaded
    limits: Mapping[str, int]
    devices: int = 1

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe of the training."""
        return self.loaded.recipe()

    @cached_property
    def id(self) -> str:
        """The identity of the training; equal trainings have the same id in all sweeps."""
        from archspec.sweep.identity import trial_id

        return trial_id(self)


@dataclass(frozen=True, slots=True)
class Expansion:
    """The trials of a sweep. left_out: the number of points that `where` excludes. invalid: points with mistakes."""

    trials: tuple[Trial, ...]
    left_out: int
    invalid: tuple[Invalid, ...]


@dataclass(frozen=True, slots=True)
class Invalid:
    """A point that cannot be trained, with the reasons as diagnostics at places in the sweep file."""

    variant: str
    varied: Mapping[str, Any]
    diagnostics: tuple[Diagnostic, ...]


def expand(sweep: Sweep, file: str) -> Expansion:
    """All trials of a sweep, ordered by variant, point and seed, without duplicates.

    file: the path of the sweep file; paths of specs are relative to its folder. Raises SpecError if a spec cannot be
    read, if a `where` is not valid, or if there are more than MAX_TRIALS points.
    """
    if sweep.search is not None:
        from archspec.sweep.search.candidates import sample

        return sample(sweep, file)
    if sweep.sample is not None:
        from archspec.sweep.population import population, stratified

        whole = population(sweep, file)
        found = expand_points(sweep, file, stratified(whole, sweep.sample))
        return Expansion(found.trials, whole.left_out, (*whole.invalid, *found.invalid))
    return expand_points(sweep, file, points(sweep))


def expand_points(sweep: Sweep, file: str, chosen: Iterable[Point]) -> Expansion:
    """The trials of some points of a sweep."""
    trials: dict[str, Trial] = {}
    invalid: list[Invalid] = []
    left_out = 0
    checker = Checker(sweep, file)
    for point in chosen:
        checked = checker.check(point)
        if isinstance(checked, Invalid):
            invalid.append(checked)
        elif checked is None:
            left_out += 1
        else:
            for trial in _seeded(checked, point.seeds):
                trials.setdefault(trial.id, trial)
    return Expansion(tuple(trials.values()), left_out, tuple(invalid))


class Checker:
    """Checks the points of a sweep."""

    def __init__(self, sweep: Sweep, file: str) -> None:
        self._sweep, self._bases = sweep, _Bases(file)
        self._conditions = [(condition_of(value), value.at) for value in sweep.where]

    def check(self, point: Point) -> Trial | Invalid | None:
        """The trial of a point with the recipe's own seed, or why there is none; None if a `where` excludes it."""
        found = self.resolve(point)
        if isinstance(found, Invalid):
            return found
        report = found.loaded.report
        return found if self.allows(Names(found.data, found.recipe, report.params, report.macs)) else None

    def resolve(self, point: Point) -> Trial | Invalid:
        """`check` without `where`."""
        return _checked(self._sweep, point, self.base(point))

    def allows(self, names: Names) -> bool:
        """Whether every `where` holds."""
        return all(holds(condition, at, names) for condition, at in self._conditions)

    def base(self, point: Point) -> Loaded:
        """The spec of the point without its changes. Raises SpecError at the place where the sweep names it."""
        return self._bases.of(point)


class _Bases:
    """The specs that a sweep names; each is read once."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._known: dict[str, Loaded | SpecError] = {}

    def of(self, point: Point) -> Loaded:
        """The spec of the point's variant. Raises SpecError at the place where the sweep names it."""
        name = point.variant.spec.value
        if name not in self._known:
            found = examine(spec_path(name, self._file))
            wrong = SpecError([_shown_at(d, point.variant.spec.at, f"spec `{name}`") for d in found.errors])
            self._known[name] = wrong if found.loaded is None or found.errors else found.loaded
        known = self._known[name]
        if isinstance(known, SpecError):
            raise known
        return known


def _checked(sweep: Sweep, point: Point, base: Loaded) -> Trial | Invalid:
    """The trial of a point with the recipe's own seed, or why there is none."""
    try:
        data = resolved_data(base, point.changes)
    except SpecError as problem:
        return Invalid(point.variant.label, point.varied, tuple(_shown_at(d, point.at) for d in problem.diagnostics))
    found = examine(data, training=True)
    if found.loaded is None or found.errors:
        shown = tuple(_shown_at(d, _to_blame(point, d, data), _named(point)) for d in found.errors)
        return Invalid(point.variant.label, point.varied, shown)
    recipe = found.loaded.recipe()
    uneven = uneven_batch(recipe.batch_size, sweep.devices, "`train.batch_size`", "`devices`")
    if uneven is not None:
        at = _to_blame(point, uneven, data)
        return Invalid(point.variant.label, point.varied, (_shown_at(uneven, at, _named(point)),))
    return Trial(point.variant.label, point.varied, recipe.seed, data, found.loaded, sweep.limits, sweep.devices)


def _seeded(trial: Trial, seeds: Sequence[int]) -> Iterator[Trial]:
    """The trial with each of these seeds; with its own if there are none."""
    if not seeds:
        yield trial
        return
    own = trial.recipe
    for seed in seeds:
        data = {**trial.data, "train": {**trial.data["train"], "seed": seed}}
        recipes = {"train": own.model_copy(update={"seed": seed})}
        yield replace(trial, seed=seed, data=data, loaded=replace(trial.loaded, data=data, recipes=recipes))


def _to_blame(point: Point, diagnostic: Diagnostic, data: Mapping[str, Any]) -> At:
    """The change that a diagnostic of the resolved spec is about: the one at its place, of a var there, or the last."""
    used = names_in(_raw_at(data, diagnostic.path)) if diagnostic.path else frozenset[str]()
    keys = {tuple(key.split(".")): value.at for key, value in point.changes.items()}
    there = (at for key, at in keys.items() if diagnostic.path[: len(key)] == key)
    through = (at for key, at in keys.items() if key[0] == "vars" and used.intersection(key[1:]))
    return next(chain(there, through), point.at)


def _raw_at(data: Any, path: tuple[str | int, ...]) -> Any:
    """The value at a path; None if the data has none."""
    for step in path:
        try:
            data = data[step]
        except (LookupError, TypeError):
            return None
    return data


def _named(point: Point) -> str:
    from archspec.language.message_text import value_text

    values = ", ".join(f"{key}: {value_text(value)}" for key, value in point.varied.items() if key != "spec")
    return f"{point.variant.label}" + (f" with {values}" if values else "")


def _shown_at(diagnostic: Diagnostic, at: At, trial: str = "") -> Diagnostic:
    """A diagnostic of a trial, moved to a place in the sweep file, with a note that names the trial."""
    if diagnostic.span is not None and trial == "":
        return diagnostic
    where = () if diagnostic.span is None else (Label(diagnostic.span, "here"),)
    notes = (f"in {trial}", *diagnostic.notes) if trial else diagnostic.notes
    return replace(diagnostic, span=at.span(), notes=notes, related=(*where, *diagnostic.related))
