"""Which values of a field an op works with on its input: what hints propose is among them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from archspec.diagnostics import Hint
from archspec.diagnostics.hints import SetFields, set_to
from archspec.language.field_rules import nearest_whole
from archspec.ops import Op, Operation, infer_outputs
from archspec.types import ShapeError, TensorType

_PROBED: Final = (1, 2, 3, 4)

Works = Callable[[Any], bool]


def working(cls: type[Operation], others: Mapping[str, Any], name: str, x: TensorType | None) -> Works:
    """Tells whether the op, with its other fields as they are, takes a value of a field, and then its input `x`.

    Mistakes of other fields do not count, nor does an input that it takes with no value at all.
    """
    others = {key: value for key, value in others.items() if key != name}
    broken = _broken(cls, others) - {name}
    default = cls.model_fields[name].get_default() if name in cls.model_fields else None

    def takes(value: Any) -> bool:
        if x is None or not issubclass(cls, Op):
            return False
        try:
            return bool(infer_outputs(cls.model_validate({**others, name: value}), (x,)))
        except (ShapeError, ValidationError):
            return False

    decides = any(map(takes, (default, *_PROBED)))

    def works(value: Any) -> bool:
        wrong = _broken(cls, {**others, name: value})
        return takes(value) if decides and not wrong else wrong <= broken

    return works


def _broken(cls: type[Operation], values: Mapping[str, Any]) -> set[str]:
    """The fields that the op refuses."""
    try:
        cls.model_validate(dict(values))
    except ValidationError as e:
        return {str(problem["loc"][0]) if problem["loc"] else "" for problem in e.errors(include_url=False)}
    return set()


def whole(value: float, works: Works) -> str | None:
    """The hint to write a whole number instead."""
    numbers = nearest_whole(value, works)
    if len(numbers) == 1:
        return Hint(f"write {numbers[0]}", str(numbers[0]), safe=numbers[0] == value)
    return f"write {numbers[0]} or {numbers[1]}" if numbers else None


def agreeing(
    hint: str | None, cls: type[Operation], values: Mapping[str, Any], name: str, x: TensorType | None, value: Any
) -> str | None:
    """The hint where fields disagree: the rule's own, if it works, or else the next numbers for the field `name`."""
    if isinstance(hint, SetFields):
        changed = {**values, **{field: _read(text) for field, text in hint.values}}
        if name in changed and working(cls, changed, name, x)(changed[name]):
            return hint
    number = value[0] if isinstance(value, (list, tuple)) and value and len(set(value)) == 1 else value
    if not isinstance(number, int) or isinstance(number, bool):
        return None if isinstance(hint, SetFields) else hint
    numbers = nearest_whole(number, working(cls, values, name, x))
    if len(numbers) == 1:
        return set_to(name, numbers[0])
    return f"set {name} to {numbers[0]} or {numbers[1]}" if numbers else None


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
