"""The JSON Schema of the language, for editors: made from the op registry, the models and the standard blocks.

It says what a spec may look like: keys, ops with their fields and docs, the forms of a layer. What needs meaning
(shapes, expressions, a file's own blocks) is `archspec validate`'s part. Names of layers are checked where all of
them are known: in a file without `blocks`, `use` and `extends`; so are arguments of standard blocks.
"""

from __future__ import annotations

from typing import Final

from archspec.language.files import standard_library
from archspec.language.layer_schema import (
    BODY,
    IDENTIFIER,
    KNOWN_BODY,
    KNOWN_LAYER,
    LAYER,
    LAYERS,
    arguments_form,
    known_layer_form,
    layer_form,
    op_form,
)
from archspec.language.models import ArchSpec
from archspec.language.names import DTYPES
from archspec.language.outputs import MODES
from archspec.language.parse import EXPECTATIONS, TYPES
from archspec.language.recipe import Recipe
from archspec.language.schema_variants import NULL, Schema, by_type, described, loosened, or_value
from archspec.ops import OPS

USE: Final[Schema] = by_type("object", {"$ref": "#/definitions/library"}, {"type": ["string", "object"]})
USES: Final[Schema] = by_type("array", {"items": USE}, USE)


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
            "layer": layer_form(blocks),
            "known.body": by_type("array", {"items": KNOWN_LAYER}, KNOWN_LAYER),
            "known.layer": known_layer_form(blocks),
            "block": _block_definition(),
            "library": _library(),
            "recipe": recipe_form(),
            **{f"op.{name}": op_form(model) for name, model in OPS.items()},
            **{f"block.{name}": arguments_form(block) for name, block in blocks.items()},
        },
    }


def _spec() -> Schema:
    texts = {key: field.description or "" for key, field in ArchSpec.model_fields.items() if key != "comments"}
    shape = {"type": "array", "items": or_value({"type": "integer", "minimum": 1}), "minItems": 1, "maxItems": 4}
    count = {"type": "integer", "minimum": 0}
    counts = [name for name in EXPECTATIONS if name != "output"]
    string = {"type": "string"}
    forms: dict[str, Schema] = {
        "archspec": {"const": 1}, "name": string, "description": string, "extends": string,
        "use": USES,
        "input": by_type("object", inputs_form(shape), or_value(shape)), "vars": {"type": "object"},
        "blocks": _mapping(_or_null({"$ref": "#/definitions/block"})),
        "stages": _mapping(_or_null(BODY)),
        "outputs": _or_null(_outputs()),
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


def inputs_form(shape: Schema) -> Schema:
    """Inputs by name: each is a shape, or says which numbers it holds."""
    declared = {
        "type": "object",
        "properties": {
            "shape": described(or_value(shape), "without the batch"),
            "dtype": {"enum": [*DTYPES], "default": DTYPES[0], "description": "of its numbers"},
            "below": described(or_value({"type": "integer", "minimum": 1}), "integers are 0 to below - 1"),
        },
        "required": ["shape"],
        "additionalProperties": False,
    }
    return {**_mapping(by_type("object", declared, or_value(shape))), "minProperties": 1}


def _outputs() -> Schema:
    """Stages in a list, or each with when it is computed."""
    name = {"type": "string", "pattern": f"^{IDENTIFIER}$"}
    listed = {"type": "array", "items": name, "minItems": 1, "uniqueItems": True}
    modes = {"enum": [*MODES], "description": "training: neither run nor counted in evaluation"}
    return by_type("array", listed, {**_mapping(modes), "minProperties": 1})


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


def recipe_form() -> Schema:
    """A recipe, or what one changes of another."""
    schema = loosened(Recipe.model_json_schema())
    schema.pop("required", None)  # a recipe, or a variant's `train`, holds what differs
    for form in schema["properties"].values():
        outer = {key: form.pop(key) for key in ("description", "default", "anyOf") if key in form}
        form.update({"if": NULL, "else": {**form}, **outer} if form else outer)  # null removes what is inherited
    return schema
