"""The JSON Schema of the `search` section."""

from __future__ import annotations

from typing import get_args

from archspec.language.schema_variants import Schema, by_type, described
from archspec.sweep.draws import MAX_TRIALS
from archspec.sweep.search.model import COSTS, FIGURES, Sampler


def search_form(space: Schema) -> Schema:
    """The form of `search`. space: the form of the mapping from settings to distributions."""
    figure: Schema = {"enum": [*FIGURES]}
    several: Schema = {"items": {"enum": [*FIGURES, *COSTS]}, "minItems": 1, "uniqueItems": True, "contains": figure}
    trials = {"type": "integer", "minimum": 1, "maximum": MAX_TRIALS}
    seed = {"type": "integer", "minimum": 0, "maximum": 2**31, "default": 0}
    return _closed({
        "sampler": {"enum": [*get_args(Sampler)], "description": "how points are chosen; tpe needs Optuna"},
        "trials": described(trials, "how many points are trained"),
        "seed": described(seed, "seed of the sampler, not of the trainings"),
        "space": described({**space, "minProperties": 1}, "what varies: a distribution for each setting"),
        "objective": described(
            by_type("array", several, figure), "the figure to improve, or a list of it and costs for a Pareto front"
        ),
        "prune": described(_closed({"asha": _asha()}), "ends most trials early"),
        "constraints": described(_closed(_limits()), "upper limits for a network"),
    }, ["trials", "space"])


def _limits() -> dict[str, Schema]:
    limit: Schema = {"type": "number", "minimum": 1}
    time: Schema = {"type": "number", "exclusiveMinimum": 0, "description": "a forward pass of one image, measured"}
    return dict.fromkeys(COSTS, limit) | {"milliseconds": time}


def _asha() -> Schema:
    return _closed({
        "min_epochs": {"type": "integer", "minimum": 1, "default": 1, "description": "epochs before the first rung"},
        "reduction": {"type": "integer", "minimum": 2, "default": 3, "description": "at each rung one in this many "
                                                                                    "trials continues"},
    })


def _closed(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    form: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return form | ({"required": required} if required else {})
