"""The digest of network and recipe in a checkpoint, which shows later whether they are still the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from archspec.ir import Graph
from archspec.ir.digest import chosen_fields, graph_digest
from archspec.language.recipe import Recipe
from archspec.ops import Operation
from archspec.train.checkpoint.digest_0_1 import old_fields, old_recipe

# Increase it when a default or the hashed data changes, and move the old method to a separate module, as `digest_0_1`
# keeps the one of archspec 0.1, so that runs of every release can be resumed.
VERSION: Final = 2


def spec_digest(graph: Graph, recipe: Recipe) -> str:
    """`2:` and the SHA-256 of the lowered network and of the recipe without its `epochs`.

    Fields with their default value do not count, so that a release may add fields. The text does not count either:
    specs with different comments, blocks or vars have the same digest if they give the same network. A run with more
    epochs is the same run, only longer, unless the schedule depends on its length.
    """
    data = _chosen(recipe)
    if not needs_length(recipe.to_data()):
        data.pop("epochs", None)
    return f"{VERSION}:{_hash(graph_digest(graph), data)}"


def _chosen(recipe: Recipe) -> dict[str, Any]:
    """The recipe without its defaults; `validation: test` counts as the default, which it means.

    `recompute` does not count, because it changes no result.
    """
    data = recipe.to_data(defaults=False)
    data.pop("recompute", None)
    if data.get("validation") == "test":
        del data["validation"]
    return data


def is_digest_of(saved: str, graph: Graph, recipe: Recipe) -> bool:
    """Whether a checkpoint's digest belongs to this network and recipe. archspec 0.1 wrote it without a version."""
    if ":" in saved:
        return saved == spec_digest(graph, recipe)
    return saved == first_digest(graph, recipe)


def release_of(saved: str) -> str:
    """The release that wrote a checkpoint's digest: `0.1`, `this` or `newer`."""
    version = saved.partition(":")[0] if ":" in saved else ""
    if not version:
        return "0.1"
    return "this" if version == str(VERSION) else "newer"


def first_digest(graph: Graph, recipe: Recipe) -> str:
    """The digest of archspec 0.1: of all fields that existed then, defaults included."""
    data = old_recipe(recipe.to_data(), _chosen(recipe))
    if not needs_length(data):
        del data["epochs"]
    return _hash(graph_digest(graph, _all_fields), data)


def _all_fields(op: Operation) -> dict[str, Any]:
    """The fields of an op as archspec 0.1 had them."""
    return old_fields(op.op, op.model_dump(mode="json"), chosen_fields(op))


def needs_length(recipe: Mapping[str, Any]) -> bool:
    """Whether the schedule of a recipe, its defaults included, depends on the number of epochs."""
    return recipe["schedule"] != "constant" and "step" not in recipe["schedule"]


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
