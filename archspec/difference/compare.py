"""Compares two specs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from archspec.analysis import Report, cost_report
from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.api import Loaded, load
from archspec.api.capacity import chosen_optimizer
from archspec.devices.models import TimeModel
from archspec.devices.targets import target_kind, time_model
from archspec.diagnostics import Diagnostic, SpecError
from archspec.difference.figures import figure_changes
from archspec.difference.model import Difference, LayerChange
from archspec.difference.structure import edits
from archspec.execution import Setting
from archspec.execution.setting import Precision
from archspec.files import is_regular
from archspec.ir.align import Alignment, align
from archspec.ir.diff import changes
from archspec.language.recipe import Recipe


def diff(
    before: Any, after: Any = None, *, sets: Iterable[str] = (), sets_before: Iterable[str] = (),
    recipe: str | None = None, recipe_before: str | None = None, batch_size: int = 1, dtype: str = "float32",
    precision: Precision = "fp32", channels_last: bool = False, optimizer: str | None = None, target: str | None = None,
    **options: Any,
) -> Difference:
    """What changed from one spec to another: structure, shapes, figures and recipe. Imports no torch.

    before, after: what `load` takes, or the folder of a run. after: by default `before`, with what `sets` changes.
    sets, sets_before: overrides of `after` and of `before`, such as `vars.width=0.5`. recipe, recipe_before: recipes by
    name instead of `train`. batch_size, dtype, precision, channels_last: of the figures. optimizer: sgd, adam or adamw,
    instead of each recipe's. target: a device, such as h200, a file of one, or `here`, to predict times on it; by
    default a CPU. options: as for `load`, for both.
    Raises SpecError for mistakes in a spec, for a recipe that does not exist, and for an unknown device; ValueError for
    a batch size, dtype, precision or optimizer that there is not.
    """
    sets, sets_before = tuple(sets), tuple(sets_before)
    after = before if after is None else after
    old, new = _loaded([(before, sets_before), (after, sets)], options)
    recipes = (_recipe(old, recipe_before), _recipe(new, recipe))
    setting = Setting(
        batch_size=batch_size, dtype=dtype, precision=precision, channels_last=channels_last,
        target=target_kind(target),
    )
    model = time_model(target)
    reports = [cost_report(x.graph, batch_size=batch_size, dtype=dtype) for x in (old, new)]
    totals = [
        _totals(x, report, replace(setting, optimizer=chosen_optimizer(optimizer, own)), model)
        for x, report, own in zip((old, new), reports, recipes, strict=True)
    ]
    aligned = align(old.graph, new.graph)
    found = tuple(changes(old.graph, new.graph, aligned))
    names = (_name(old, sets_before, recipe_before), _name(new, sets, recipe))
    if names[0] == names[1] and old.files and new.files and old.files[0] != new.files[0]:
        names = (f"{names[0]} ({old.files[0]})", f"{names[1]} ({new.files[0]})")
    return Difference(
        *names, _settings(setting, target), figure_changes(*totals), edits(found, aligned), found,
        tuple(_layers(aligned, *reports)), _recipe_changes(*recipes),
    )


def _loaded(specs: Iterable[tuple[Any, tuple[str, ...]]], options: Mapping[str, Any]) -> list[Loaded]:
    """The specs with their overrides. Raises SpecError with the mistakes of both."""
    found: list[Loaded] = []
    mistakes: list[Diagnostic] = []
    for spec, sets in specs:
        try:
            found.append(load(_source(spec), sets=sets, **options))
        except SpecError as problem:
            mistakes += problem.diagnostics
    if mistakes:
        raise SpecError(tuple(dict.fromkeys(mistakes)))
    return found


def _source(spec: Any) -> Any:
    """The spec of a run, where a folder is given."""
    path = Path(spec) if isinstance(spec, (str, Path)) and "\n" not in str(spec) else None
    return path / "spec.yaml" if path is not None and is_regular(path / "spec.yaml") else spec


def _name(loaded: Loaded, sets: tuple[str, ...], recipe: str | None) -> str:
    changed = [*sets, *([] if recipe is None else [f"recipe {recipe}"])]
    return loaded.name + (f" with {', '.join(changed)}" if changed else "")


def _totals(loaded: Loaded, report: Report, setting: Setting, model: TimeModel | None) -> dict[str, Any]:
    """The totals of `archspec profile --static --json`."""
    found = resources(loaded.graph, setting)
    times = {} if model is None else predict_times(found, model).totals()
    return {**report.to_json()["totals"], **found.totals(), **times}


def _settings(setting: Setting, target: str | None) -> dict[str, Any]:
    return {
        "batch_size": setting.batch_size, "dtype": setting.dtype, "precision": setting.precision,
        "channels_last": setting.channels_last, "target": target or "cpu",
    }


def _layers(aligned: Alignment, before: Report, after: Report) -> Iterator[LayerChange]:
    """Every op in the order of the second network; those that only the first one has come last."""
    old, new = ({layer.path: layer for layer in report.layers()} for report in (before, after))

    for j, step in enumerate(aligned.new):
        partner = aligned.pairs.get(j)
        yield LayerChange(None if partner is None else old[aligned.old[partner].path], new[step.path])
    for step in aligned.removed:
        yield LayerChange(old[step.path], None)


def _recipe(loaded: Loaded, name: str | None) -> Recipe | None:
    return loaded.recipe(name) if name is not None or "train" in loaded.recipes else None


def _recipe_changes(before: Recipe | None, after: Recipe | None) -> dict[str, tuple[Any, Any]]:
    """The fields that differ, `schedule.kind` for nested ones; all of `train` if only one spec has a recipe."""
    if before is None or after is None:
        left, right = (None if recipe is None else recipe.to_data() for recipe in (before, after))
        return {} if left == right else {"train": (left, right)}
    old, new = (dict(_flat(recipe.to_data(), "")) for recipe in (before, after))
    return {name: (old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)}


def _flat(data: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + str(key), value
