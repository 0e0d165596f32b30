"""The recipe of a spec with changed fields, and the spec that repeats a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archspec.api import Loaded
    from archspec.diagnostics import Diagnostic
    from archspec.language.recipe import Recipe


def chosen_recipe(
    loaded: Loaded, name: str | None, changes: Mapping[str, Any], options: Iterable[str] = ()
) -> Recipe:
    """The spec's recipe with this name (None: the default one), with these fields changed.

    A spec without `train` can be trained if the changes give data and rate. options: see `validated`.
    Raises SpecError SPEC010 or SPEC011 if there is no such recipe, SPEC060.
    """
    return validated(base_fields(loaded, name, changes), changes, options)


def base_fields(loaded: Loaded, name: str | None, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of the recipe that is changed; none if the changes need none. SpecError: see `chosen_recipe`."""
    from archspec.data.registry import OWN_PREFIX

    own = str(changes.get("data", "")).startswith(OWN_PREFIX)  # given in Python, with the rate
    enough = name is None and "train" not in loaded.recipes and (own or {"data", "lr"} <= changes.keys())
    return {} if enough else loaded.recipe(name).to_data()


def completed(sets: Iterable[str], changes: Mapping[str, Any]) -> tuple[str, ...]:
    """Overrides of a spec, with the data, rate and optimizer of `changes` if they set fields of `train`.

    Without them, `train.epochs=3` would make an incomplete recipe in a spec that has none, and `train.momentum=0.9` a
    wrong one where `changes` replace an Adam by SGD.
    """
    sets = tuple(sets)
    if not any(text.startswith("train.") for text in sets):
        return sets
    names = ("data", "lr", "optimizer")
    given = {key: changes[key] for key in names if isinstance(changes.get(key), str | int | float)}
    return *(f"train.{key}={json.dumps(value)}" for key, value in given.items()), *sets


def validated(base: Mapping[str, Any], changes: Mapping[str, Any], options: Iterable[str] = ()) -> Recipe:
    """A recipe with these fields changed. Raises SpecError SPEC060.

    options: names that a caller may also have meant by a field that a recipe does not have.
    """
    from pydantic import ValidationError

    from archspec.diagnostics import SpecError
    from archspec.language.recipe import Recipe, merge_recipe

    known = {name: value for name, value in changes.items() if name in Recipe.model_fields}
    found = [_unknown(name, changes, options) for name in changes if name not in known]
    try:
        recipe = Recipe.model_validate(merge_recipe(base, known))
    except ValidationError as problems:
        invalid = [dict(problem) for problem in problems.errors(include_url=False)]
        misspelt = found or any(problem["type"] == "extra_forbidden" for problem in invalid)
        # A misspelt field is one mistake: it is not reported as missing, too.
        found += [_mistake(p) for p in invalid if not (misspelt and p["type"] == "missing")]
        raise SpecError(found) from problems
    if found:
        raise SpecError(found)
    return recipe


def _unknown(name: str, changes: Mapping[str, Any], options: Iterable[str]) -> Diagnostic:
    """The mistake that a recipe has no such field, as in a spec."""
    from archspec.diagnostics import Diagnostic
    from archspec.language.message_text import short
    from archspec.language.recipe import Recipe
    from archspec.language.recipes import similar_field
    from archspec.language.synonyms import recipe_field_called

    message, called = f"a recipe has no field `{short(name)}`", recipe_field_called(name)
    if name.lower() == "warmup_steps":
        return Diagnostic("SPEC060", message, hint=f"pass `warmup={{'steps': {changes[name]}}}`")
    if called in changes:
        return Diagnostic("SPEC060", message, hint=f"remove it: `{called}` is passed already")
    _, hint = similar_field(name, {*Recipe.model_fields, *options} - changes.keys())
    return Diagnostic("SPEC060", message, hint=hint)


def _mistake(problem: dict[str, Any]) -> Diagnostic:
    """A mistake that the changes cause in a valid recipe."""
    from archspec.diagnostics import Diagnostic
    from archspec.language.message_text import short
    from archspec.language.problems import explain
    from archspec.language.recipe import Recipe
    from archspec.language.recipes import similar_part

    *path, last = map(str, problem["loc"] or ("",))
    if problem["type"] == "missing" and not path:
        return Diagnostic("SPEC060", f"the recipe has no `{last}`", hint=f"pass `{last}=…`")
    section = ".".join(path)
    if problem["type"] == "missing" and not last.isdigit():
        return Diagnostic("SPEC060", f"`{section}` has no `{last}`", hint=f"add `{last}`")
    if problem["type"] == "extra_forbidden":
        near = similar_part(section, last)
        return Diagnostic("SPEC060", f"`{section}` has no field `{short(last)}`", hint=near or "remove it")
    message, hint = explain(problem, Recipe)
    if problem["type"] == "recipe_field":
        return Diagnostic("SPEC060", str(problem["msg"]), hint=hint)
    return Diagnostic("SPEC060", f"`{'.'.join((*path, last))}` {message}", hint=hint)


def resolved_text(loaded: Loaded, name: str | None, changes: dict[str, Any], recipe: Recipe) -> str:
    """The spec that repeats this run. `train` is the recipe of the run; vars that nothing uses any more are removed.

    recipe: the recipe of the run. Its `validation` is written explicitly if it is not the test set.
    """
    from archspec.language.recipe import merge_recipe
    from archspec.language.resolve import without_unused_vars
    from archspec.source import dump

    data = {"archspec": 1, "name": loaded.name, **loaded.data}
    data["train"] = merge_recipe(data.get("train"), data["recipes"][name] if name else {})
    data["train"] = merge_recipe(data["train"], changes)
    if recipe.validation not in (None, "test"):
        data["train"].setdefault("validation", recipe.validation)
    return dump(without_unused_vars(data))
