"""Field types that several ops share, beyond those of `base`. Each refuses a wrong value with one line."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from archspec.diagnostics.hints import SetFields, set_to
from archspec.ops.base import MAX_INT

RULE: Final = "op_field"  # type of an error that `refuse` gives
CLASH: Final = "op_fields"  # and `clash`

Dim = Annotated[int, Field(ge=-64, le=63)]  # torch's tensors have at most 64 dimensions
Index = Annotated[int, Field(ge=-MAX_INT - 1, le=MAX_INT)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_NEAR: Final = 1_000  # a spec may name sizes of 2**63, so not every number can be tried


def refuse(message: str, *, choices: tuple[str, ...] = (), number: str | None = None) -> PydanticCustomError:
    """The error of a field's own rule, `must be …`, for a validator.

    choices: words that the field takes. number: `int` or `float`, where it takes a single number.
    """
    return PydanticCustomError(RULE, message, {"choices": choices, "number": number})


def clash(message: str, hint: str | None = None) -> PydanticCustomError:
    """The error of a rule that binds fields to each other: the message is a sentence that names them."""
    return PydanticCustomError(CLASH, message, {} if hint is None else {"hint": hint})


def set_to_divisor(field: str, value: int, *sizes: int, most: int = MAX_INT) -> SetFields:
    """The hint to set a field to the number nearest to `value`, at most `most`, that divides all sizes."""
    whole = gcd(*sizes)
    near = (number for away in range(_NEAR) for number in (value - away, value + away) if 0 < number <= most)
    return set_to(field, next((number for number in near if whole % number == 0), gcd(whole, value)))


def is_int(value: Any, low: int = -MAX_INT - 1) -> bool:
    """Whether `value` is an integer (True and False are none) from `low` to what torch can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= MAX_INT


def int_list(
    low: int, what: str, *, size: int | None = None, bare: bool = False, choices: tuple[str, ...] = ()
) -> Callable[[Any], Any]:
    """A validator of a list of integers from `low`; `what` ends the sentence "must be …".

    size: the only length allowed, None for 1 to 64. bare: one integer may stand for the list.
    choices: words that the field takes besides, for the hint.
    """

    def check(value: Any) -> Any:
        if bare and is_int(value, low):
            return (value,) * (size or 1)
        if not isinstance(value, (list, tuple)) or not all(is_int(v, low) for v in value):
            raise refuse(f"must be {what}", choices=choices, number="int" if bare else None)
        if len(value) not in (range(1, 65) if size is None else (size,)):
            raise refuse(f"must be {what}", choices=choices, number="int" if bare else None)
        return tuple(value)

    return check


def int_list_schema(low: int, *, size: int | None = None, bare: bool = False) -> WithJsonSchema:
    """The JSON Schema that goes with `int_list`."""
    one = {"type": "integer", "minimum": low}
    many = {"type": "array", "items": one, "minItems": size or 1, "maxItems": size or 64}
    return WithJsonSchema({"anyOf": [one, many]} if bare else many)


def _scale(value: Any) -> Any:
    pair = value if isinstance(value, (list, tuple)) else (value, value)
    if len(pair) != 2 or not all(_is_factor(v) for v in pair):
        raise refuse("must be a positive number or a pair [height, width] of them", number="float")
    return tuple(float(v) for v in pair)


def _is_factor(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 < value <= MAX_INT


_FACTOR = {"type": "number", "exclusiveMinimum": 0}
# (height, width) factors; one number stands for both.
ScalePair = Annotated[
    tuple[float, float],
    BeforeValidator(_scale),
    WithJsonSchema({"anyOf": [_FACTOR, {"type": "array", "items": _FACTOR, "minItems": 2, "maxItems": 2}]}),
]
