"""Forms of values in a JSON Schema: each may also be written as a `$…`.

Where a value may have several forms, its type decides which one is asked for (`if`), instead of trying all of them
(`anyOf`): so a checker says "`out_chanels` is unexpected", not "valid under none of the given schemas".
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]
VALUE: Final[Schema] = {"$ref": "#/definitions/value"}  # $name, $(…)
NULL: Final[Schema] = {"type": "null"}


def or_value(schema: Schema) -> Schema:
    """What the schema allows, or a `$…`."""
    return choice([schema, VALUE])


def choice(forms: list[Schema]) -> Schema:
    """What one of these forms allows, distinguished by type where possible."""
    if {} in forms:
        return {}
    inner = [f for form in forms for f in (form["anyOf"] if list(form) == ["anyOf"] else [form])]
    arrays, objects = ([f for f in inner if f.get("type") == kind] for kind in ("array", "object"))
    scalars = [f for f in inner if f not in (*arrays, *objects, VALUE, NULL)]
    out = _scalar(scalars) if scalars else _one_type(inner)
    for known in (VALUE, NULL):
        if known in inner and out != {}:
            out = {"if": known, "else": out}
    for kind, found in (("array", arrays), ("object", _merged(objects))):
        if found and out not in found:
            out = by_type(kind, found[0] if len(found) == 1 else {"anyOf": found}, out)
    shown = [f for f in scalars if "enum" in f or f.get("type") == "boolean"]
    return {"anyOf": [*shown, {}], **out} if shown and "if" in out else out  # which editors offer; `{}`: no check


def _scalar(forms: list[Schema]) -> Schema:
    texts = [f for f in forms if f.get("type") == "string" or all(isinstance(v, str) for v in f.get("enum", [0]))]
    others = [f for f in forms if f not in texts]
    if len(texts) == 1 and others:
        return by_type("string", texts[0], _scalar(others))
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def by_type(kind: str, form: Schema, other: Schema) -> Schema:
    """`form` for values of this type, `other` for the rest."""
    return {"if": {"type": kind}, "then": form, "else": other}


def _one_type(forms: list[Schema]) -> Schema:
    """For a value of none of the types that have a form."""
    types = [f["type"] for f in forms if "type" in f]
    return {"type": types[0] if len(set(types)) == 1 else sorted(set(types))}


def _merged(objects: list[Schema]) -> list[Schema]:
    """Mappings of one key each, as one mapping with one of these keys."""
    if len(objects) < 2 or not all(list(f.get("properties", {})) == f.get("required") for f in objects):
        return objects
    properties = {}
    for form in objects:
        ((key, value),) = form["properties"].items()
        properties[key] = {**({"description": form["description"]} if "description" in form else {}), **value}
    only = {"additionalProperties": False, "minProperties": 1, "maxProperties": 1}
    return [{"type": "object", "properties": properties, **only}]


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
    return {**outer, **choice([inner, VALUE])}


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
