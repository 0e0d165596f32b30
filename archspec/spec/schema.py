"""The JSON Schema of the language, for editors: made from the op registry, the models and the standard blocks.

It says what a spec may look like: keys, ops with their fields and docs, the forms of a layer. What needs meaning
(shapes, expressions, a file's own blocks) is `archspec validate`'s part. Names of layers are checked where all of
them are known: in a file without `blocks`, `use` and `extends`; so are arguments of standard blocks.
"""

from __future__ import annotations

import inspect
from typing import Final

from archspec.ops import OPS, Merge, Operation
from archspec.spec.files import standard_library
from archspec.spec.forms import NULL, Schema, by_type, described, loosened, or_value
from archspec.spec.models import ArchSpec
from archspec.spec.models import Layer as LayerModel
from archspec.spec.parse import BESIDE, EXPECTATIONS, SEQUENTIAL, TYPES
from archspec.spec.recipe import Recipe
from archspec.spec.syntax import Block

IDENTIFIER: Final = "[A-Za-z][A-Za-z0-9_]*"
BODY: Final[Schema] = {"$ref": "#/definitions/body"}
LAYER: Final[Schema] = {"$ref": "#/definitions/layer"}
USE: Final[Schema] = by_type("object", {"$ref": "#/definitions/library"}, {"type": ["string", "object"]})
USES: Final[Schema] = by_type("array", {"items": USE}, USE)
LAYERS: Final[Schema] = {"type": "array", "items": LAYER}
KNOWN_BODY: Final[Schema] = {"$ref": "#/definitions/known.body"}
KNOWN_LAYER: Final[Schema] = {"$ref": "#/definitions/known.layer"}


def json_schema() -> Schema:
    """The schema of a spec, a variant or a block library, as draft 7, which editors know best."""
    blocks = standard_library().blocks
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "archspec",
        "description": "A neural network, or a library of blocks, in the archspec language (format version 1)",
        **_spec(),
        "definitions": {
            "value": {"type": "string", "pattern": r"^\$[^$]", "description": "`$name`, `$name.0` or `$(expression)`"},
            "body": {
                "description": "a list of layers, or one bare layer; `[]` is the identity",
                **by_type("array", LAYERS, LAYER),
            },
            "layer": _layer(blocks),
            "known.body": by_type("array", {"items": KNOWN_LAYER}, KNOWN_LAYER),
            "known.layer": _known_layer(blocks),
            "block": _block_definition(),
            "library": _library(),
            "recipe": _recipe(),
            **{f"op.{name}": _op(model) for name, model in OPS.items()},
            **{f"block.{name}": _arguments(block) for name, block in blocks.items()},
        },
    }


# -- the file ------------------------------------------------------------------------------------------------


def _spec() -> Schema:
    texts = {key: field.description or "" for key, field in ArchSpec.model_fields.items()}
    shape = {"type": "array", "items": or_value({"type": "integer", "minimum": 1}), "minItems": 1, "maxItems": 3}
    count = {"type": "integer", "minimum": 0}
    counts = [name for name in EXPECTATIONS if name != "output"]
    string = {"type": "string"}
    forms: dict[str, Schema] = {
        "archspec": {"const": 1}, "name": string, "description": string, "extends": string,
        "use": USES,
        "input": or_value(shape), "vars": {"type": "object"},
        "blocks": _mapping(_or_null({"$ref": "#/definitions/block"})),
        "stages": _mapping(_or_null(BODY)),
        "expect": _mapping(or_value(shape)) | {"properties": dict.fromkeys(counts, or_value(count))},
        "train": _or_null({"$ref": "#/definitions/recipe"}),
        "recipes": {"type": ["object", "null"], "additionalProperties": _or_null({"$ref": "#/definitions/recipe"})},
    }
    return {
        "type": "object",
        "properties": {key: described(forms[key], text) for key, text in texts.items()},
        "additionalProperties": False,
        "required": ["archspec"],
        "allOf": [_whole(), _known_names()],
    }


def _whole() -> Schema:
    """What a file that extends no other must have; a variant needs nothing more, and may remove with null."""
    present = {"type": "object", "additionalProperties": {"not": NULL}}
    library = {"required": ["blocks"], "not": {"anyOf": [{"required": ["input"]}, {"required": ["stages"]}]}}
    return {
        "if": {"required": ["extends"]},
        "else": {
            "properties": {
                "stages": {"minProperties": 1, **present}, "blocks": present, "recipes": present,
                "train": {"type": "object", "required": ["data", "lr"]},
            },
            "if": library,
            "else": {"required": ["input", "stages"]},
        },
    }


def _known_names() -> Schema:
    """Where a file can have no blocks of its own or of others, every layer is one of archspec's."""
    own = [{"required": [key]} for key in ("blocks", "use", "extends")]
    return {"if": {"anyOf": own}, "else": {"properties": {"stages": {"additionalProperties": KNOWN_BODY}}}}


def _or_null(form: Schema) -> Schema:
    return {"if": NULL, "else": form}


def _library() -> Schema:
    texts = {key: ArchSpec.model_fields[key].description or "" for key in ("vars", "use", "blocks")}
    forms: dict[str, Schema] = {
        "vars": {"type": "object"}, "use": USES, "blocks": _mapping({"$ref": "#/definitions/block"}),
    }
    return {
        "description": "a library written out in `use`: its blocks, with the vars and libraries that they use",
        "type": "object",
        "properties": {key: described(form, texts[key]) for key, form in forms.items()},
        "required": ["blocks"],
        "additionalProperties": False,
    }


def _mapping(values: Schema) -> Schema:
    return {"type": "object", "propertyNames": {"pattern": f"^{IDENTIFIER}$"}, "additionalProperties": values}


def _block_definition() -> Schema:
    texts = {
        "params": "name → type (int, float, bool, str, list, layer, any, or a list of these) or default",
        "body": "a list of layers, or one bare layer",
    }
    return {
        "if": {"type": "object", "anyOf": [{"required": ["body"]}, {"required": ["params"]}]},
        "then": {
            "type": "object",
            "properties": {
                "params": {
                    "description": texts["params"], "type": ["object", "null"],
                    "propertyNames": {"pattern": f"^{IDENTIFIER}$"},
                    "additionalProperties": {"anyOf": [{"enum": list(TYPES)}, {}]},
                },
                "body": described(BODY, texts["body"]),
            },
            "required": ["body"],
            "additionalProperties": False,
        },
        "else": BODY,
    }


def _recipe() -> Schema:
    schema = loosened(Recipe.model_json_schema())
    schema.pop("required", None)  # a recipe, or a variant's `train`, holds what differs
    for form in schema["properties"].values():
        outer = {key: form.pop(key) for key in ("description", "default", "anyOf") if key in form}
        form.update({"if": NULL, "else": {**form}, **outer} if form else outer)  # null removes what is inherited
    return schema


# -- layers --------------------------------------------------------------------------------------------------


def _layer(blocks: dict[str, Block]) -> Schema:
    """A name, or a mapping with one op or block and what may stand beside it."""
    keys: dict[str, Schema] = {name: {"$ref": f"#/definitions/op.{name}"} for name in OPS}
    keys |= {name: {"anyOf": [{"$ref": f"#/definitions/block.{name}"}, {}]} for name in blocks}  # offered, no check
    keys[SEQUENTIAL] = described(LAYERS, "Layers as one, to be repeated, conditional or named together")
    alone = {name: _alone(model) for name, model in OPS.items() if not needs_fields(model)}
    alone |= {name: _comment(block) for name, block in blocks.items() if all(not p.required for p in block.params)}
    not_alone = [SEQUENTIAL, *(name for name in OPS if name not in alone)]
    name: Schema = {
        "description": "a block of this file or of `use`, or `$param`",
        "type": ["string", "object"],
        "pattern": rf"^(\$)?{IDENTIFIER}(\.[A-Za-z0-9_]+)*$",
        "if": {"enum": not_alone}, "then": {"type": "object"},
    }
    offered = [{"const": name, "description": text} for name, text in alone.items()]
    return {"anyOf": [*offered, {}], **by_type("object", _layer_mapping(keys), name)}  # `{}`: offered, no check


def _known_layer(blocks: dict[str, Block]) -> Schema:
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
        "then": {"required": ["from"], "maxProperties": 1},
    }


def _beside() -> dict[str, Schema]:
    forms: dict[str, Schema] = {
        "name": {"type": "string", "pattern": f"^{IDENTIFIER}$"},
        "repeat": or_value({"type": "integer", "minimum": 0}),
        "when": or_value({"type": "boolean"}),
        "from": {"type": "string", "pattern": f"^{IDENTIFIER}$"},
    }
    fields = {field.alias or name: field for name, field in LayerModel.model_fields.items()}
    return {key: described(form, fields[key].description or "") for key, form in forms.items()}


def needs_fields(model: type[Operation]) -> bool:
    """Whether the op's bare name is not enough: it has a required field, or branches."""
    return issubclass(model, Merge) or any(field.is_required() for field in model.model_fields.values())


def _alone(model: type[Operation]) -> str:
    return _documentation(model).partition("\n")[0]


def _documentation(model: type[Operation]) -> str:
    return inspect.cleandoc(model.__doc__ or "")


def _op(model: type[Operation]) -> Schema:
    """What may stand after an op's name: its main argument, its fields, or nothing where none is needed."""
    fields = _fields(model)
    if issubclass(model, Merge):
        return _merge(model, fields)
    described_fields = {"description": _documentation(model)}
    if model.main is not None:
        other = fields["properties"][model.main]
        other = other if needs_fields(model) else {"if": NULL, "else": other}
    elif needs_fields(model):
        return {**described_fields, **fields}
    else:
        other = {"type": ["object", "null"]}
    return {**described_fields, **by_type("object", fields, other)}


def _fields(model: type[Operation]) -> Schema:
    schema = loosened(model.model_json_schema())
    schema.pop("title", None)
    schema.pop("description", None)
    return {"properties": {}, **schema}


def _merge(model: type[Operation], fields: Schema) -> Schema:
    misplaced = {key: False for key in BESIDE if key != "name"}
    return {
        "description": _documentation(model),
        "type": "object",
        "properties": {**fields["properties"], **misplaced},
        "propertyNames": {"pattern": f"^{IDENTIFIER}$"},
        "additionalProperties": BODY,
        "minProperties": 2,
    }


def _arguments(block: Block) -> Schema:
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
