"""What the models of the `train` section share: strictness, short forms, and messages a person can use.

Their files have no `from __future__ import annotations`: pydantic would compile each annotation anew at every start.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from archspec.diagnostics.hints import write_near
from archspec.diagnostics.wording import shortened
from archspec.language.synonyms import choice_meant
from archspec.ops.placed import Placed


class Section(Placed):
    """A part of a recipe: frozen, strict, no unknown fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)


def field_names(model: type[Section]) -> list[str]:
    """The names under which a section's fields are written."""
    return [field.alias or name for name, field in model.model_fields.items() if name != "kind"]


class AlsoPlain:
    """JSON Schema of a section that may also be written as a plain value."""

    def __init__(self, plain: dict[str, Any]) -> None:
        self.plain = plain

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Either form."""
        return {"anyOf": [self.plain, handler(core)]}


def crossed(field: str, message: Any, **values: object) -> PydanticCustomError:
    """An error that lies between fields; `field` is the recipe's key to point at, `{name}` takes a value."""
    return PydanticCustomError("recipe_field", message, {"field": field, **values})


def not_one_of(value: object, known: Iterable[str]) -> PydanticCustomError:
    """The error of a name that is none of the known ones."""
    names = list(known)
    near = choice_meant(str(value)[:80], names)
    return PydanticCustomError(
        "recipe_choice", "must be one of {known}, got {value}",
        {"known": ", ".join(names), "value": shortened(str(value)), **({"hint": write_near(near)} if near else {})},
    )


def mapping_or(value: Any, model: type[Section], wanted: str) -> Any:
    """The value, if it is a mapping or already the model; else an error that says what is wanted."""
    if isinstance(value, (Mapping, model)):
        return value
    raise PydanticCustomError("recipe_value", "must be {wanted}", {"wanted": wanted})
