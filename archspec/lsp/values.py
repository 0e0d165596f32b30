"""The values of names and expressions that depend only on vars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from archspec.expressions import Expression, ExpressionError, evaluate, template

_DEPTH: Final = 32  # the longest chain of vars that refer to vars


class _Vars(dict[str, Any]):
    """Vars by name, evaluated on access."""

    def __init__(self, raws: Mapping[str, Any], depth: int) -> None:
        super().__init__(raws)
        self.depth = depth

    def __getitem__(self, name: str) -> Any:
        return _value(super().__getitem__(name), self, self.depth)


def value_of(raw: Any, variables: Mapping[str, Any]) -> Any:
    """The value of a raw value, given the raw values of the vars. Raises LookupError if it depends on more."""
    try:
        return _value(raw, variables, 0)
    except ExpressionError as problem:
        raise LookupError(problem.message) from None


def _value(raw: Any, variables: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEPTH:
        raise LookupError("the vars define each other")
    if isinstance(raw, list):
        return [_value(item, variables, depth) for item in raw]
    if not isinstance(raw, str):
        return raw
    expression = template(raw)
    if not isinstance(expression, Expression):
        return expression
    return evaluate(expression, _Vars(variables, depth + 1))
