"""Forms of values in a JSON Schema: each may also be written as a `$…`."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]
VALUE: Final[Schema] = {"$ref": "#/definitions/value"}  # $name, $(…)


def or_value(schema: Schema) -> Schema:
    """What the schema allows, or a `$…`."""
    return {"anyOf": [schema, VALUE]}


def described(schema: Schema, description: str) -> Schema:
    """The schema with this description; around a `$ref`, whose neighbours draft 7 ignores."""
    if "$ref" in schema:
        schema = {"allOf": [schema]}
    return {"description": description, **schema}


def loosened(schema: Schema) -> Schema:
    """The schema of a model with every value also as a `$…`, and without Pydantic's titles.

    The model's own top level stays a mapping: a whole set of fields cannot be one expression.
    """
    definitions = schema.pop("$defs", {})
    if "properties" not in schema:
        return schema
    out = {key: value for key, value in schema.items() if key != "title"}
    out["properties"] = {key: _loose(value, definitions) for key, value in schema["properties"].items()}
    return out


def _loose(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """A field's form: what it takes, or a `$…`; description and default stay outside."""
    inner = _inner(schema, definitions)
    outer: Schema = {key: inner.pop(key) for key in ("description", "default") if key in inner}
    if not inner:
        return outer
    forms = inner["anyOf"] if list(inner) == ["anyOf"] else [inner]
    return {**outer, "anyOf": [*forms, VALUE]}


def _inner(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """The form with whatever it holds (items, fields) loosened, but not itself."""
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**definitions[schema["$ref"].rpartition("/")[2]], **rest}
    inner = {key: value for key, value in schema.items() if key != "title"}
    for key in ("anyOf", "oneOf", "allOf"):
        if key in inner:
            inner[key] = [_inner(form, definitions) for form in inner[key]]
    if "prefixItems" in inner:
        inner["items"] = [_loose(form, definitions) for form in inner.pop("prefixItems")]
    elif "items" in inner:
        inner["items"] = _loose(inner["items"], definitions)
    if "properties" in inner:
        inner["properties"] = {key: _loose(form, definitions) for key, form in inner["properties"].items()}
    return inner
