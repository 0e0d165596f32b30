"""A sweep → its trials: every combination, checked, each with the whole spec that it trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Final

from archspec.api import Loaded, examine
from archspec.diagnostics import Diagnostic, SpecError, error
from archspec.expressions import Expression, ExpressionError, evaluate, template
from archspec.language.recipe import Recipe, merge_recipe
from archspec.language.resolve import without_unused_vars
from archspec.language.syntax import At
from archspec.sweep.draws import draw_points
from archspec.sweep.model import SECTIONS, Changes, Run, Sweep, Value, Variant
from archspec.sweep.names import Names
from archspec.sweep.read import spec_path

MAX_TRIALS: Final = 100_000
_SHAPED: Final = ("vars", "stages", "blocks", "input")  # what changes the network, and so what `expect` expects


@dataclass(frozen=True, slots=True)
class Point:
    """A combination that a sweep asks for, not yet checked.

    varied: what tables show of it. seeds: at which it is trained; none for the recipe's own.
    """

    variant: Variant
    changes: Changes
    varied: Mapping[str, Any]
    seeds: tuple[int, ...] = ()

    @property
    def at(self) -> At:
        """The place to show for what is wrong with it."""
        places = [value.at for value in self.changes.values()]
        return places[-1] if places else self.variant.spec.at


@dataclass(frozen=True)
class Trial:
    """A training that a sweep asks for.

    varied: the values that tell it from the others, `spec` included where there are several. data: the whole spec, its
    `train` the recipe with the seed in it. loaded: that spec, checked.
    """

    variant: str
    varied: Mapping[str, Any]
    seed: int
    data: Mapping[str, Any]
    loaded: Loaded
    limits: Mapping[str, int]

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
    trials: dict[str, Trial] = {}
    invalid: list[Invalid] = []
    left_out = 0
    checker = Checker(sweep, file)
    for point in points(sweep):
        checked = checker.check(point)
        if isinstance(checked, Invalid):
            invalid.append(checked)
        elif checked is None:
            left_out += 1
        else:
            for trial in _seeded(checked, point.seeds):
                trials.setdefault(trial.id, trial)
    return Expansion(tuple(trials.values()), left_out, tuple(invalid))


def points(sweep: Sweep) -> Iterator[Point]:
    """Every combination: for each variant the product of all axes and random draws, then its single runs."""
    axes: list[Sequence[Changes]] = [*sweep.axes]
    if sweep.random is not None:
        axes.append(draw_points(sweep.random))
    count = len(sweep.variants) * (len(sweep.runs) + _size(axes))
    if count > MAX_TRIALS:
        raise error(
            "SWEEP402", f"the sweep has {count:,} combinations (limit {MAX_TRIALS:,})",
            span=sweep.variants[0].spec.at.span(), hint="draw some of them: `random: {trials: 100, …}`",
        )
    several = len(sweep.variants) > 1
    for variant in sweep.variants:
        rows: Iterable[Run] = (Run(_joined(row)) for row in product(*axes))
        if not axes and sweep.runs:
            rows = ()
        for run in (*rows, *sweep.runs):
            varied = {"spec": variant.label} if several else {}
            varied |= {key: value.value for key, value in run.changes.items()}
            yield Point(variant, {**sweep.base, **variant.changes, **run.changes}, varied, run.seeds or sweep.seeds)


def _size(axes: Sequence[Sequence[Changes]]) -> int:
    total = 1
    for axis in axes:
        total *= len(axis)
    return total


def _joined(row: Iterable[Changes]) -> dict[str, Value]:
    return {key: value for changes in row for key, value in changes.items()}


class Checker:
    """Checks the points of a sweep."""

    def __init__(self, sweep: Sweep, file: str) -> None:
        self._sweep, self._bases = sweep, _Bases(file)
        self._conditions = [(_condition(value), value.at) for value in sweep.where]

    def check(self, point: Point) -> Trial | Invalid | None:
        """The point's trial with the recipe's own seed, or why there is none; None where a `where` leaves it out."""
        found = _checked(self._sweep, point, self._bases.of(point))
        if isinstance(found, Trial) and not all(_holds(condition, at, found) for condition, at in self._conditions):
            return None
        return found


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
        shown = tuple(_shown_at(d, _to_blame(point, d), _named(point)) for d in found.errors)
        return Invalid(point.variant.label, point.varied, shown)
    seed = found.loaded.recipe().seed
    return Trial(point.variant.label, point.varied, seed, data, found.loaded, sweep.limits)


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


def resolved_data(base: Loaded, changes: Changes) -> dict[str, Any]:
    """The whole spec of a point: the base's, its recipe chosen, changes laid over it. Raises SpecError."""
    data: dict[str, Any] = {"archspec": 1, "name": base.name, **base.data}
    recipes = data.pop("recipes", {})
    train: dict[str, Any] = dict(data.get("train") or {})
    if "recipe" in changes:
        chosen = changes["recipe"].value
        if chosen is not None:
            base.recipe(str(chosen))  # raises where there is none
            train = merge_recipe(train, recipes.get(chosen, {}))
    written = {key.partition(".")[2]: v.value for key, v in changes.items() if key.startswith("train.")}
    data["train"] = merge_recipe(train, written)
    if any(key.partition(".")[0] in _SHAPED for key in changes):
        data.pop("expect", None)
    for key, value in changes.items():
        section, _, name = key.partition(".")
        if key == "input":
            data["input"] = value.value
        elif section in SECTIONS and section != "train":
            _replace(data, section, name, value)
    return without_unused_vars(data)


def _replace(data: dict[str, Any], section: str, name: str, value: Value) -> None:
    """Replace one var, stage or block; a new name is a mistake, but for `null`, which removes one."""
    known = data.get(section) or {}
    if name not in known:
        from archspec.diagnostics import listing
        from archspec.language.message_text import did_you_mean, short

        what = {"vars": "var", "stages": "stage", "blocks": "block"}[section]
        raise error(
            "SWEEP403", f"the spec has no {what} `{short(name)}`", span=_key_of(value.at).span(),
            hint=did_you_mean(name, known) or f"its {section}: {listing(known)}",
        )
    changed = {key: value.value if key == name else old for key, old in known.items()}
    data[section] = {key: new for key, new in changed.items() if key != name or new is not None}


def _key_of(at: At) -> At:
    """The place of the key whose value, or whose list, a value stands in."""
    path = at.path
    while path and isinstance(path[-1], int):
        path = path[:-1]
    return At(at.document, path, on_key=True)


def _to_blame(point: Point, diagnostic: Diagnostic) -> At:
    """The change that a diagnostic of the resolved spec is most likely about: the one that it names, else the last."""
    text = " ".join([diagnostic.message, *diagnostic.notes])
    for key, value in point.changes.items():
        name = key.rpartition(".")[2]
        if f"`{name}`" in text or f"`{name}." in text or f"{key}" in text or f"`{name}:" in text:
            return value.at
    return point.at


def _named(point: Point) -> str:
    from archspec.language.message_text import said

    values = ", ".join(f"{key}: {said(value)}" for key, value in point.varied.items() if key != "spec")
    return f"{point.variant.label}" + (f" with {values}" if values else "")


def _shown_at(diagnostic: Diagnostic, at: At, trial: str = "") -> Diagnostic:
    """A trial's diagnostic at the sweep file's place, the trial named in a note."""
    if diagnostic.span is not None and trial == "":
        return diagnostic
    where = diagnostic.span
    notes = [f"in {trial}"] if trial else []
    if where is not None:
        notes.append(f"at {where.path}:{where.line}:{where.column}")
    return replace(diagnostic, span=at.span(), notes=(*notes, *diagnostic.notes))


def _condition(value: Value) -> Expression:
    try:
        parsed = template(value.value)
    except ExpressionError as problem:
        raise _wrong_condition(problem, value.at) from None
    assert isinstance(parsed, Expression)
    return parsed


def _holds(condition: Expression, at: At, trial: Trial) -> bool:
    try:
        result = evaluate(condition, Names(trial.data, trial.recipe, trial.loaded.report).visible())
    except ExpressionError as problem:
        raise _wrong_condition(problem, at) from None
    if not isinstance(result, bool):
        from archspec.language.message_text import said

        raise error("SWEEP404", f"a `where` must be true or false, got {said(result)}", span=at.span(),
                    hint="compare: `$(params < 1000000)`")
    return result


def _wrong_condition(problem: ExpressionError, at: At) -> SpecError:
    span = at.inside(problem.offset, max(1, problem.length)).span()
    return SpecError([Diagnostic(problem.code, problem.message, span, hint=problem.hint)])
