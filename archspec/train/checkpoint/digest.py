"""What a checkpoint keeps of its network and recipe, to tell later whether they are still the same."""

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

# Raise it when a default changes, or what is hashed: the method before then moves to a module of its own, as
# `digest_0_1` has that of archspec 0.1, so that runs of every release can be resumed.
VERSION: Final = 2


def spec_digest(graph: Graph, recipe: Recipe) -> str:
    """`2:` and the SHA-256 of what is trained and how: the lowered network, and the recipe without its `epochs`.

    Fields with their default value do not count, so that a release may add one. Neither does spelling: comments,
    blocks or vars that come to the same network have the same digest. A run of more epochs is the same run prolonged,
    unless the schedule depends on its length.
    """
    data = _chosen(recipe)
    if not needs_length(recipe.to_data()):
        data.pop("epochs", None)
    return f"{VERSION}:{_hash(graph_digest(graph), data)}"


def _chosen(recipe: Recipe) -> dict[str, Any]:
    """The recipe without its defaults; that the test set decides is one, under either name."""
    data = recipe.to_data(defaults=False)
    if data.get("validation") == "test":
        del data["validation"]
    return data


def is_digest_of(saved: str, graph: Graph, recipe: Recipe) -> bool:
    """Whether a checkpoint's digest is that of this network and recipe; archspec 0.1 wrote it without a version."""
    if ":" in saved:
        return saved == spec_digest(graph, recipe)
    return saved == first_digest(graph, recipe)


def release_of(saved: str) -> str:
    """What wrote a checkpoint's digest, as far as that matters: `0.1`, `this` or `newer`."""
    version = saved.partition(":")[0] if ":" in saved else ""
    if not version:
        return "0.1"
    return "this" if version == str(VERSION) else "newer"


def first_digest(graph: Graph, recipe: Recipe) -> str:
    """The digest as archspec 0.1 took it: of all fields that there were then, defaults included."""
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
