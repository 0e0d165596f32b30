"""A sweep → its trials: every combination, checked, each with the whole spec that it trains."""

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
    """A training that a sweep asks for.

    varied: the values that tell it from the others, `spec` included where there are several. data: the whole spec, its
    `train` the recipe with the seed in it. loaded: that spec, checked. devices: how many it trains on.
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
        """How it is trained."""
        return self.loaded.recipe()

    @cached_property
    def id(self) -> str:
        """What the trial is known by: equal trainings have equal ids, whatever sweep asks for them."""
        from archspec.sweep.identity import trial_id

        return trial_id(self)


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a sweep comes to. left_out: how many points a `where` left out. invalid: points that cannot be trained."""

    trials: tuple[Trial, ...]
    left_out: int
    invalid: tuple[Invalid, ...]


@dataclass(frozen=True, slots=True)
class Invalid:
    """A point that cannot be trained, and why; the diagnostics are at the sweep file's places."""

    variant: str
    varied: Mapping[str, Any]
    diagnostics: tuple[Diagnostic, ...]


def expand(sweep: Sweep, file: str) -> Expansion:
    """All trials of a sweep, in order: variants, then points, then seeds. Equal ones are there once.

    file: the sweep's own path, from which specs are found. Raises SpecError where a spec cannot be read, where
    a `where` is wrong, or where there are more than MAX_TRIALS points.
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
        """The point's trial with the recipe's own seed, or why there is none; None where a `where` leaves it out."""
        found = self.resolve(point)
        if isinstance(found, Invalid):
            return found
        report = found.loaded.report
        return found if self.allows(Names(found.data, found.recipe, report.params, report.macs)) else None

    def resolve(self, point: Point) -> Trial | Invalid:
        """As `check`, whatever a `where` says."""
        return _checked(self._sweep, point, self.base(point))

    def allows(self, names: Names) -> bool:
        """Whether every `where` holds."""
        return all(holds(condition, at, names) for condition, at in self._conditions)

    def base(self, point: Point) -> Loaded:
        """The point's spec without its changes. Raises SpecError with the place where the sweep names it."""
        return self._bases.of(point)


class _Bases:
    """The specs that a sweep names, each read once."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._known: dict[str, Loaded | SpecError] = {}

    def of(self, point: Point) -> Loaded:
        """The variant's spec. Raises SpecError with the place where the sweep names it."""
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
    """The point's trial with the recipe's own seed, or why there is none."""
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
    """The trial at each of these seeds; at its own where there are none."""
    if not seeds:
        yield trial
        return
    own = trial.recipe
    for seed in seeds:
        data = {**trial.data, "train": {**trial.data["train"], "seed": seed}}
        recipes = {"train": own.model_copy(update={"seed": seed})}
        yield replace(trial, seed=seed, data=data, loaded=replace(trial.loaded, data=data, recipes=recipes))


def _to_blame(point: Point, diagnostic: Diagnostic, data: Mapping[str, Any]) -> At:
    """The change that a diagnostic of the resolved spec is about: at its place, of a var used there, else the last."""
    used = names_in(_raw_at(data, diagnostic.path)) if diagnostic.path else frozenset[str]()
    keys = {tuple(key.split(".")): value.at for key, value in point.changes.items()}
    there = (at for key, at in keys.items() if diagnostic.path[: len(key)] == key)
    through = (at for key, at in keys.items() if key[0] == "vars" and used.intersection(key[1:]))
    return next(chain(there, through), point.at)


def _raw_at(data: Any, path: tuple[str | int, ...]) -> Any:
    """What is written there; None where it is not in the data."""
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
    """A trial's diagnostic at the sweep file's place, the trial named in a note."""
    if diagnostic.span is not None and trial == "":
        return diagnostic
    where = () if diagnostic.span is None else (Label(diagnostic.span, "here"),)
    notes = (f"in {trial}", *diagnostic.notes) if trial else diagnostic.notes
    return replace(diagnostic, span=at.span(), notes=notes, related=(*where, *diagnostic.related))
