"""The values of names and expressions, as far as they depend on vars only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from archspec.expressions import Expression, ExpressionError, evaluate, template

_DEPTH: Final = 32  # vars that are made of others, one after another


class _Vars(dict[str, Any]):
    """Vars by name, evaluated when they are asked for."""

    def __init__(self, raws: Mapping[str, Any], depth: int) -> None:
        super().__init__(raws)
        self.depth = depth

    def __getitem__(self, name: str) -> Any:
        return _value(super().__getitem__(name), self, self.depth)


def value_of(raw: Any, variables: Mapping[str, Any]) -> Any:
    """The value of what is written, by the raw values of the vars. Raises LookupError where it needs more."""
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
