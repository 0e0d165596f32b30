"""The recipe of a spec with changed fields, and the spec that repeats a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archspec.api import Loaded
    from archspec.language.recipe import Recipe


def chosen_recipe(loaded: Loaded, name: str | None, changes: dict[str, Any]) -> Recipe:
    """The spec's recipe with this name (None: the default one), with these fields changed.

    A spec without `train` can be trained if the changes give data and rate.
    """
    enough = name is None and "train" not in loaded.recipes and {"data", "lr"} <= changes.keys()
    base = {} if enough else loaded.recipe(name).to_data()
    return validated(base, changes)


def validated(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Recipe:
    """A recipe with these fields changed. Raises SpecError SPEC060."""
    from pydantic import ValidationError

    from archspec.diagnostics import Diagnostic, SpecError
    from archspec.language.problems import explain
    from archspec.language.recipe import Recipe, merge_recipe

    try:
        return Recipe.model_validate(merge_recipe(base, changes))
    except ValidationError as problems:
        found = [dict(problem) for problem in problems.errors(include_url=False)]
        raise SpecError(
            [Diagnostic("SPEC060", _message(problem, explain), hint=explain(problem)[1]) for problem in found]
        ) from problems


def _message(problem: dict[str, Any], explain: Callable[[dict[str, Any]], tuple[str, str | None]]) -> str:
    """The message about a mistake that the changes cause in a valid recipe."""
    if problem["type"] == "recipe_field":
        return str(problem["msg"])
    return f"`{'.'.join(map(str, problem['loc']))}` {explain(problem)[0]}"


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
