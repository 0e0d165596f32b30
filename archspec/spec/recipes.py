"""The `train` and `recipes` sections → checked recipes, each mistake at its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from archspec.diagnostics import listing
from archspec.expressions import holds_unknown
from archspec.source import BROKEN
from archspec.spec.problems import told
from archspec.spec.recipe import Recipe, merge_recipe
from archspec.spec.syntax import At, Errors, Program
from archspec.spec.words import did_you_mean, short


def read_recipes(program: Program, value: Callable[[Any, At], Any], errors: Errors) -> dict[str, Recipe]:
    """`train` and every named recipe laid over it. `value` evaluates a raw value at its place."""
    base, base_places = _evaluated(program.data.get("train", {}), program.places["train"], value)
    found: dict[str, Recipe] = {}
    if base:
        _add("train", base, base_places, program, found, errors)
    for name, at in program.places["recipes"].items():
        raw = program.data["recipes"][name]
        if raw is BROKEN:
            continue
        if not isinstance(raw, dict):
            errors.add("SPEC060", f"recipe `{short(name)}` must be a mapping, got {short(raw)}", at,
                       hint="write what differs from `train`: `{epochs: 20}`")
            continue
        changes, places = _evaluated(raw, {k: at / k for k in raw}, value)
        _add(name, merge_recipe(base, changes), {**base_places, **places}, program, found, errors, at)
    return found


def _evaluated(
    raw: Mapping[str, Any], places: Mapping[str, At], value: Callable[[Any, At], Any]
) -> tuple[dict[str, Any], dict[str, At]]:
    return {k: value(raw[k], at) for k, at in places.items()}, dict(places)


def _add(
    name: str, data: dict[str, Any], places: Mapping[str, At], program: Program, found: dict[str, Recipe],
    errors: Errors, own: At | None = None,
) -> None:
    known = {k: v for k, v in data.items() if not holds_unknown(v)}
    try:
        found[name] = Recipe.model_validate(known)
    except ValidationError as e:
        for problem in e.errors(include_url=False):
            _tell(name, dict(problem), data, places, own, program, errors)


def _tell(
    name: str, problem: dict[str, Any], data: Mapping[str, Any], places: Mapping[str, At], own: At | None,
    program: Program, errors: Errors,
) -> None:
    ctx = problem.get("ctx") or {}
    loc = list(problem["loc"])
    key = str(loc[0]) if loc else str(ctx.get("field", ""))
    at = places.get(key)
    section = own or next(iter(program.places["train"].values()), None)
    fields = Recipe.model_fields
    if problem["type"] == "missing" and len(loc) == 1:
        if key in data:
            return  # it is there, but an error already told left it unknown
        errors.add("SPEC060", f"recipe `{name}` has no `{key}`", section, key=own is not None, hint=f"add `{key}: …`")
    elif problem["type"] == "extra_forbidden" and len(loc) == 1:
        errors.add("SPEC060", f"a recipe has no field `{short(key)}`", at, key=True,
                   hint=did_you_mean(key, fields) or f"its fields: {listing(fields, 20)}")
    else:
        message, hint = told(problem)
        if problem["type"] == "recipe_field":
            errors.add("SPEC060", str(problem["msg"]), at or section, hint=hint)
            return
        inner = ".".join(str(step) for step in loc if isinstance(step, str) and step in _known_keys(data.get(key)))
        label = f"{key}.{inner}" if inner else key
        errors.add("SPEC060", f"`{label}` {message}", at or section, hint=hint)


def _known_keys(raw: Any) -> set[str]:
    return set(raw) if isinstance(raw, dict) else set()
