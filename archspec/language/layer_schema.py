"""The JSON Schema's forms of a layer: an op with its fields, a merge with its branches, a call of a block."""

from __future__ import annotations

from typing import Final

from archspec.language.models import Layer as LayerModel
from archspec.language.parse import BESIDE, SEQUENTIAL, SHARE
from archspec.language.schema_variants import NULL, Schema, by_type, described, loosened, or_value
from archspec.language.syntax import Block
from archspec.ops import OPS, Merge, Operation

IDENTIFIER: Final = "[A-Za-z][A-Za-z0-9_]*"
BODY: Final[Schema] = {"$ref": "#/definitions/body"}
LAYER: Final[Schema] = {"$ref": "#/definitions/layer"}
LAYERS: Final[Schema] = {"type": "array", "items": LAYER}
KNOWN_BODY: Final[Schema] = {"$ref": "#/definitions/known.body"}
KNOWN_LAYER: Final[Schema] = {"$ref": "#/definitions/known.layer"}


def layer_form(blocks: dict[str, Block]) -> Schema:
    """A name, or a mapping with one op or block and what may stand beside it."""
    keys: dict[str, Schema] = {name: {"$ref": f"#/definitions/op.{name}"} for name in OPS}
    keys |= {name: {"anyOf": [{"$ref": f"#/definitions/block.{name}"}, {}]} for name in blocks}  # offered, no check
    keys[SEQUENTIAL] = described(LAYERS, "Layers as one, to be repeated, conditional or named together")
    alone = {name: _alone(model) for name, model in OPS.items() if not _needs_fields(model)}
    alone |= {name: _comment(block) for name, block in blocks.items() if all(not p.required for p in block.params)}
    not_alone = [SEQUENTIAL, *(name for name in OPS if name not in alone)]
    name: Schema = {
        "description": "a block of this file or of `use`, or `$param`",
        "type": ["string", "object"],
        "pattern": rf"^(\$)?{IDENTIFIER}(\.[A-Za-z0-9_]+)*$",
        "if": {"enum": not_alone}, "then": {"type": "object"},
    }
    offered = [{"const": name, "description": text} for name, text in alone.items()]
    # What an editor offers for an empty item. No check, since `{}` accepts all; so nothing here holds further layers,
    # which would be looked at twice in each.
    inner = [name for name in not_alone if name != SEQUENTIAL and not issubclass(OPS[name], Merge)]
    mapping = {"type": "object", "properties": {name: keys[name] for name in inner}}
    return {"anyOf": [*offered, mapping, {}], **by_type("object", _layer_mapping(keys), name)}


def known_layer_form(blocks: dict[str, Block]) -> Schema:
    """A layer where only archspec's names can stand, or `$param`: its name, its inner layers, a block's arguments.

    Elsewhere a name of the standard library may be that of a block of the file's own, with other arguments.
    """
    dollar = r"^\$"
    names = {"if": {"pattern": dollar}, "else": {"enum": [*OPS, *blocks, SEQUENTIAL, *BESIDE]}}
    inner: dict[str, Schema] = {SEQUENTIAL: {"items": KNOWN_LAYER}}
    inner |= {name: {"additionalProperties": KNOWN_BODY} for name, model in OPS.items() if issubclass(model, Merge)}
    for name, block in blocks.items():
        inner[name] = {"$ref": f"#/definitions/block.{name}"}
        layers = {p.name: KNOWN_BODY for p in block.params if p.type == "layer"}
        if layers:
            listed = [layers.get(p.name, {}) for p in block.params]
            inner[name] = {"allOf": [inner[name], {"properties": layers, "items": listed}]}
    called = [name for name, block in blocks.items() if any(p.required for p in block.params)]
    alone = {"if": {"pattern": dollar}, "else": {
        "enum": [*OPS, *blocks, SEQUENTIAL], "if": {"enum": called}, "then": {"type": "object"},
    }}
    return by_type("string", alone, {"propertyNames": names, "properties": inner})


def _layer_mapping(keys: dict[str, Schema]) -> Schema:
    beside = [*BESIDE]
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1 + len(beside),
        "properties": {**keys, **_beside()},
        "propertyNames": {"pattern": rf"^(\$[^$].*|{IDENTIFIER})$"},
        # a file's own blocks are other keys: what they take, only `validate` knows
        "dependencies": {key: {"propertyNames": {"enum": [key, *beside]}} for key in keys},
        "if": {"propertyNames": {"enum": beside}},
        "then": {"anyOf": [{"required": [SHARE]}, {"required": ["from"], "maxProperties": 1}]},
        "else": {"properties": {SHARE: or_value({"type": "boolean"})}},
    }


def _beside() -> dict[str, Schema]:
    forms: dict[str, Schema] = {
        "name": {"type": "string", "pattern": f"^{IDENTIFIER}$"},
        "repeat": or_value({"type": "integer", "minimum": 0}),
        "when": or_value({"type": "boolean"}),
        "from": {"type": "string", "pattern": f"^{IDENTIFIER}$"},
        SHARE: {"type": ["string", "boolean"], "pattern": rf"^(\$.*|{IDENTIFIER})$"},
    }
    fields = {str(field.validation_alias or name): field for name, field in LayerModel.model_fields.items()}
    return {key: described(form, fields[key].description or "") for key, form in forms.items()}


def _needs_fields(model: type[Operation]) -> bool:
    """Whether the op's bare name is not enough: it has a required field, or branches."""
    return issubclass(model, Merge) or any(field.is_required() for field in model.model_fields.values())


def _alone(model: type[Operation]) -> str:
    return model.documentation().partition("\n")[0]


def op_form(model: type[Operation]) -> Schema:
    """What may stand after an op's name: its main argument, its fields, or nothing where none is needed."""
    fields = _fields(model)
    if issubclass(model, Merge):
        return _merge(model, fields)
    described_fields = {"description": model.documentation()}
    if model.main is not None:
        other = fields["properties"][model.main]
        other = other if _needs_fields(model) else {"if": NULL, "else": other}
    elif _needs_fields(model):
        return {**described_fields, **fields}
    else:
        other = {"type": ["object", "null"]}
    return {**described_fields, **by_type("object", fields, other)}


def _fields(model: type[Operation]) -> Schema:
    schema = loosened(model.model_json_schema())
    schema.pop("title", None)
    schema.pop("description", None)
    return {"properties": {}, **schema}


def _merge(model: type[Merge], fields: Schema) -> Schema:
    misplaced = {key: False for key in BESIDE if key != "name"}
    described_fields = {"description": model.documentation(), "type": "object"}
    if model.roles:
        return {
            **described_fields,
            "properties": {**dict.fromkeys(model.roles, BODY), **fields["properties"]},
            "additionalProperties": False,
            "required": [role for role in model.roles if role not in model.optional],
        }
    return {
        **described_fields,
        "properties": {**fields["properties"], **misplaced},
        "propertyNames": {"pattern": f"^{IDENTIFIER}$"},
        "additionalProperties": BODY,
        "minProperties": 2,
    }


def arguments_form(block: Block) -> Schema:
    """What may stand after a block's name: its first parameter, all in order, or by name."""
    params = {p.name: _param(p.type) for p in block.params}
    required = [p.name for p in block.params if p.required]
    listed = {
        "type": "array", "items": list(params.values()), "minItems": len(required), "additionalItems": False,
        "description": f"[{', '.join(params)}]",
    }
    named = {"type": "object", "properties": params, "additionalProperties": False, "required": required}
    first = block.params[0] if block.params and len(required) <= 1 else None
    alone = {"type": ["object", "array"]} if first is None else params[first.name]
    other = alone if required else {"if": NULL, "else": alone}
    objects: list[Schema] = [named]
    arrays: list[Schema] = [listed]
    if first is not None and first.type in ("layer", "any", None):
        objects.append(alone)
    if first is not None and (first.type in ("layer", "any", "list", None) or isinstance(first.type, tuple)):
        arrays.append(alone)
    forms = by_type("object", _one_of(objects), by_type("array", _one_of(arrays), other))
    return {"description": f"{_comment(block)}\n\n{block.signature()}", **forms}


def _one_of(forms: list[Schema]) -> Schema:
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _param(kind: str | tuple[str, ...] | None) -> Schema:
    if isinstance(kind, tuple):
        items = [_param(k) for k in kind]
        return or_value({"type": "array", "items": items, "minItems": len(items), "additionalItems": False})
    types = {"int": "integer", "float": "number", "bool": "boolean", "str": "string", "list": "array"}
    if kind == "layer":
        return BODY
    return or_value({"type": types[kind]}) if kind in types else {}


def _comment(block: Block) -> str:
    return str(block.at.document.data.get("description") or block.name)
