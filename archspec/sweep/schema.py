"""The JSON Schema of sweep files, for editors: their keys, and for each setting the values that a recipe accepts.

Checks that need the spec (its vars, stages, blocks and recipes) are left to `archspec validate`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from archspec.language.recipe import Recipe
from archspec.language.schema import inputs_form, recipe_form
from archspec.language.schema_variants import NULL, Schema, by_type, described, or_value
from archspec.sweep.draws import KINDS, MAX_TRIALS
from archspec.sweep.model import FIGURES
from archspec.sweep.read import KEYS, MAX_DEVICES
from archspec.sweep.repeats import MAX_SEEDS
from archspec.sweep.search.schema import search_form

_NAMED: Final = r"^(vars|stages|blocks)\.[^.]+$"
_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": ["integer", "null"], "minimum": 1}
_CHANGES: Final[Schema] = {"$ref": "#/definitions/changes"}
_DESCRIPTIONS: Final = {
    "archspec-sweep": "the format version: 1",
    "name": "names the sweep's folder, `runs/sweep-NAME`; default: the file's name",
    "description": "what the sweep is for",
    "spec": "the network: a spec's path from this file's folder, or the name of a shipped one; or a list of them",
    "variants": "networks that differ from their specs: `[{spec: alexnet, set: {vars.width: 0.5}, name: half}]`",
    "set": "settings for every trial: `{train.epochs: 5}`",
    "grid": "lists of values; trials are all their combinations",
    "zip": "lists of equal length that advance together: the first values, then the second ones",
    "random": "values drawn at random: `{trials: 20, seed: 0, train.lr: {log_uniform: [0.001, 1]}}`",
    "search": "points that are chosen one after another: `{trials: 30, space: {train.lr: {log_uniform: [0.001, 1]}}}`",
    "runs": "individual trials in addition to the combinations: `[{recipe: long, seeds: 1}, {train.lr: 2}]`",
    "where": "conditions that a trial must meet, on `train`, `vars`, `params` and `macs`: `$(params < 100000)`",
    "sample": "which combinations to train: one from each of `trials` equal shares of all, ranked `by` a figure",
    "seeds": "how many seeds (0, 1, …), or a list of them; default: the recipe's own seed",
    "devices": "number of devices per trial, all of one machine, with a process each under torchrun; default 1",
    "limit_train": "train on the first N training images only",
    "limit_test": "test on the first N test images only",
}


def sweep_schema() -> Schema:
    """The schema of a sweep file (draft 7)."""
    recipe = recipe_form()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "archspec sweep",
        "description": "Trainings that differ in some settings (format version 1)",
        "type": "object",
        "properties": {key: described(form, _DESCRIPTIONS[key]) for key, form in _forms().items()},
        "additionalProperties": False,
        "required": [KEYS[0]],
        "not": {"required": ["spec", "variants"]},
        "definitions": {
            "value": {"type": "string", "pattern": r"^\$[^$]", "description": "`$name`, `$name.0` or `$(expression)`"},
            "recipe": recipe,
            "changes": _mapping(lambda form: form),
            "lists": _mapping(lambda form: {"type": "array", "items": form, "minItems": 1}),
            "random": _random(),
            "search": search_form(_mapping(lambda form: _draw())),
            "run": _run(),
            "seeds": _seeds(),
            "variant": _variant(),
        },
    }


def _forms() -> dict[str, Schema]:
    condition: Schema = {"type": ["string", "null"], "pattern": r"^\$"}
    return {
        KEYS[0]: {"const": 1}, "name": _TEXT, "description": _TEXT,
        "spec": by_type("array", {"items": _TEXT, "minItems": 1}, _TEXT),
        "variants": {"type": "array", "items": {"$ref": "#/definitions/variant"}, "minItems": 1},
        "set": _or_null(_CHANGES), "grid": _or_null({"$ref": "#/definitions/lists"}),
        "zip": _or_null({"$ref": "#/definitions/lists"}), "random": _or_null({"$ref": "#/definitions/random"}),
        "search": _or_null({"$ref": "#/definitions/search"}),
        "runs": {"type": ["array", "null"], "items": _or_null({"$ref": "#/definitions/run"})},
        "where": by_type("array", {"items": condition}, condition),
        "sample": _or_null(_sample()), "seeds": {"$ref": "#/definitions/seeds"},
        "devices": _COUNT | {"maximum": MAX_DEVICES},
        "limit_train": _COUNT, "limit_test": _COUNT,
    }


def _or_null(form: Schema) -> Schema:
    return {"if": NULL, "else": form}


def _mapping(around: Callable[[Schema], Schema]) -> Schema:
    """The form of a mapping of changes. around: wraps the form of a value."""
    recipe = "#/definitions/recipe/properties"
    settings = {f"train.{name}": around({"$ref": f"{recipe}/{name}"}) for name in Recipe.model_fields}
    size = or_value({"type": "integer", "minimum": 1})
    shape: Schema = {"type": "array", "items": size, "minItems": 1, "maxItems": 4}
    inputs = by_type("object", inputs_form(shape), or_value(shape))
    return {
        "type": "object",
        "properties": {**settings, "recipe": around({"type": ["string", "null"]}), "input": around(inputs)},
        "patternProperties": {_NAMED: around({})},
        "additionalProperties": False,
    }


def _draw() -> Schema:
    """The form of a distribution."""
    bounds: Schema = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    options: Schema = {"type": "array", "minItems": 1}
    return {
        "type": "object",
        "properties": {
            "uniform": described(bounds, "evenly between two bounds"),
            "log_uniform": described(bounds, "evenly in the logarithm between two bounds above 0"),
            "choice": described(options, "one of these values"),
            "whole": {"type": "boolean", "description": "round to a whole number"},
        },
        "additionalProperties": False,
        "oneOf": [{"required": [kind]} for kind in KINDS],
    }


def _random() -> Schema:
    drawn = _mapping(lambda form: _draw())
    own = {
        "trials": {"type": "integer", "minimum": 1, "maximum": MAX_TRIALS, "description": "how many points are drawn"},
        "seed": {"type": "integer", "minimum": 0, "default": 0, "description": "seed of the drawing, not of the "
                                                                               "trainings"},
    }
    return {**drawn, "properties": {**own, **drawn["properties"]}, "required": ["trials"]}


def _run() -> Schema:
    """The form of an entry of `runs`: changes, and possibly seeds."""
    changes = _mapping(lambda form: form)
    seeds = described({"$ref": "#/definitions/seeds"}, "instead of the sweep's")
    return {**changes, "properties": {**changes["properties"], "seeds": seeds}}


def _seeds() -> Schema:
    seed: Schema = {"type": "integer", "minimum": 0}
    several: Schema = {"items": seed, "minItems": 1, "maxItems": MAX_SEEDS, "uniqueItems": True}
    return by_type("array", several, _COUNT | {"maximum": MAX_SEEDS})


def _sample() -> Schema:
    trials: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_TRIALS}
    return {
        "type": "object",
        "properties": {
            "by": described({"enum": [*FIGURES], "default": "macs"}, "the figure that the sample spreads over"),
            "trials": described(trials, "how many combinations are trained"),
            "seed": {"type": "integer", "minimum": 0, "default": 0, "description": "of the drawing"},
        },
        "additionalProperties": False,
        "required": ["trials"],
    }


def _variant() -> Schema:
    return {
        "type": "object",
        "properties": {
            "spec": described(_TEXT, "a spec's path, or the name of a shipped one"),
            "set": _or_null(_CHANGES),
            "name": described(_TEXT, "its name in tables"),
        },
        "additionalProperties": False,
        "required": ["spec"],
    }
