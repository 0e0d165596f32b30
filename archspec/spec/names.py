"""Which names a raw value mentions, found without evaluating anything."""

from __future__ import annotations

from typing import Any

from archspec.expressions import Expression, ExpressionError, template


def names_in(raw: Any) -> frozenset[str]:
    """All names used in `$name` and `$(…)` anywhere in a raw value, keys included."""
    found: set[str] = set()
    stack = [raw]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.keys())
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, str) and "$" in value:
            try:
                expression = template(value)
            except ExpressionError:
                continue  # told where it is evaluated
            if isinstance(expression, Expression):
                found |= expression.names
    return frozenset(found)
