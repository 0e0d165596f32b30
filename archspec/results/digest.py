"""The digest of an experiment: runs with equal digests are repetitions, which only differ in their seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from archspec.ir import Graph

_DATA = ("limit_train", "limit_test", "train_images", "test_images")


def run_digest(graph: Graph | None, recipe: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    """The digest of the network, the recipe without its seed, and the amount of data: 16 hexadecimal digits."""
    from archspec.ir.digest import graph_digest

    data = environment.get("data")
    amounts = {key: data.get(key) for key in _DATA} if isinstance(data, dict) else {}
    rest = {key: value for key, value in _without_defaults(recipe).items() if key != "seed"}
    parts = [None if graph is None else graph_digest(graph), rest, amounts]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _without_defaults(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """The recipe without defaults, so that a release may add fields; unchanged if it is not a valid recipe."""
    from pydantic import ValidationError

    from archspec.language.recipe import Recipe

    try:
        return Recipe.model_validate(dict(recipe)).to_data(defaults=False)
    except ValidationError:
        return recipe
