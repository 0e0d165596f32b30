"""What tests of expressions share."""

from __future__ import annotations

import math

import pytest

from archspec.expressions import UNKNOWN_VALUE, Expression, ExpressionError, parse_expression, template
from archspec.source import BROKEN
from archspec.types import UNKNOWN


class Shape:
    """What `in` may be."""

    def field(self, name):
        if name == "channels":
            return 64
        if name == "height":
            return UNKNOWN
        raise LookupError(f"a vector has no {name}")

    def __str__(self):
        return "a shape"


NAMES = {
    "a": 7, "b": -3, "f": 2.5, "yes": True, "no": False, "t": "relu", "nothing": None, "x": [1, 2, [3, 4]], "e": [],
    "in": Shape(), "u": UNKNOWN_VALUE, "d": {"kernel": 5, "n": {"m": 6}}, "hole": [1, BROKEN, UNKNOWN],
    "broken": BROKEN, "dim": UNKNOWN,
    "big": 10**60, "inf": math.inf, "nan": math.nan, "sum_": 1,
}  # fmt: skip


def value(text):
    return parse_expression(text).evaluate(NAMES)


def mistake(text, names=NAMES, whole=False):
    """(code, the marked text, message, hint) of the mistake in an expression."""
    with pytest.raises(ExpressionError) as caught:
        expression = template(text) if whole else parse_expression(text)
        assert isinstance(expression, Expression)
        expression.evaluate(names)
    error = caught.value
    assert error.length >= 1
    assert 0 <= error.offset <= len(text)
    assert str(error) == error.message
    return error.code, text[error.offset : error.offset + error.length], error.message, error.hint
