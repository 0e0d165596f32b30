"""Looks up a place in the JSON Schema of the language: its allowed keys and values, and their docs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from archspec.language.detect import Kind
from archspec.plugins import generation
from archspec.source.document import Path

Schema = dict[str, Any]
_ROOT: Final = "#/definitions/"
_MAX_FORMS: Final = 400  # the most alternatives of a place that are visited


@dataclass(slots=True)
class Place:
    """The schema of one place.

    keys: name → (description, its schema). values: text → description. definitions: the names of the definitions that
    apply. flags: whether true and false are allowed.
    """

    keys: dict[str, tuple[str, Schema]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    definitions: set[str] = field(default_factory=set)
    description: str = ""
    flags: bool = False


def schema_of(kind: Kind) -> Schema:
    """The schema of a kind of file."""
    return _schema(kind, generation())


@cache
def _schema(kind: Kind, generation: int) -> Schema:
    if kind is Kind.SWEEP:
        from archspec.sweep.schema import sweep_schema

        return sweep_schema()
    from archspec.language.schema import json_schema

    return json_schema()


def place_at(kind: Kind, path: Path) -> Place:
    """The schema of the value at a path of keys and indices."""
    whole = schema_of(kind)
    forms: list[Schema] = [whole]
    definitions: set[str] = set()
    for step in path:
        reached = [form for one in forms for form in _forms(one, whole, definitions)]
        definitions = set()
        forms = [inner for form in reached[:_MAX_FORMS] for inner in _step(form, step)]
    place = Place()
    for one in forms:
        for form in _forms(one, whole, place.definitions):
            _note(form, place)
    return place


def _forms(form: Any, whole: Schema, definitions: set[str]) -> Iterator[Schema]:
    """The schema and all its alternatives, with references resolved."""
    waiting, count = [form], 0
    seen: set[str] = set()
    while waiting and count < _MAX_FORMS:
        one = waiting.pop()
        if not isinstance(one, dict):
            continue
        count += 1
        name = str(one.get("$ref", "")).removeprefix(_ROOT)
        if name:
            if name not in seen:
                seen.add(name)
                definitions.add(name)
                waiting.append(whole["definitions"][name])
            continue
        yield one
        for key in ("anyOf", "oneOf", "allOf"):
            waiting += one.get(key, ())
        waiting += [one[key] for key in ("then", "else") if key in one]


def _step(form: Schema, step: str | int) -> Iterator[Schema]:
    """The schemas of an item or of a key's value."""
    if isinstance(step, int):
        items = form.get("items")
        if isinstance(items, list):
            yield from items[step : step + 1]
        elif items is not None:
            yield items
        return
    known = form.get("properties", {})
    if step in known:
        yield known[step]
    elif isinstance(form.get("additionalProperties"), dict):
        yield form["additionalProperties"]
    for pattern, inner in form.get("patternProperties", {}).items():
        if re.search(pattern, step):
            yield inner


def _note(form: Schema, place: Place) -> None:
    place.description = place.description or form.get("description", "")
    for name, inner in form.get("properties", {}).items():
        if isinstance(inner, dict) and name not in place.keys:
            place.keys[name] = (_description(inner), inner)
    description = form.get("description", "")
    for value in [*form.get("enum", ()), *([form["const"]] if "const" in form else [])]:
        if isinstance(value, str):
            place.values.setdefault(value, description if "const" in form else "")
    kinds = form.get("type")
    place.flags |= kinds == "boolean" or (isinstance(kinds, list) and "boolean" in kinds)


def _description(form: Schema) -> str:
    for one in (form, *form.get("allOf", ()), *form.get("anyOf", ())):
        if isinstance(one, dict) and "description" in one:
            return str(one["description"])
    return ""
