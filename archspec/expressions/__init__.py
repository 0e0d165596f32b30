"""The small arithmetic language of `$name` and `$(…)`, with its own parser: no `eval`, every step bounded."""

from archspec.expressions.functions import FUNCTIONS
from archspec.expressions.language import Expression, evaluate, free_names, parse_expression, template
from archspec.expressions.parser import MAX_LENGTH
from archspec.expressions.values import (
    MAX_INT,
    MAX_ITEMS,
    MAX_LEVELS,
    UNKNOWN_VALUE,
    ExpressionError,
    Fields,
    Unknown,
    Value,
    holds_unknown,
    is_unknown,
)

__all__ = [
    "FUNCTIONS",
    "MAX_INT",
    "MAX_ITEMS",
    "MAX_LENGTH",
    "MAX_LEVELS",
    "UNKNOWN_VALUE",
    "Expression",
    "ExpressionError",
    "Fields",
    "Unknown",
    "Value",
    "evaluate",
    "free_names",
    "holds_unknown",
    "is_unknown",
    "parse_expression",
    "template",
]
