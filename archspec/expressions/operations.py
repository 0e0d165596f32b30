"""The operators. An unknown operand gives an unknown result, never an error."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

from archspec.diagnostics import plural
from archspec.expressions.values import (
    MAX_INT,
    UNKNOWN_VALUE,
    ExpressionError,
    Place,
    has_fields,
    holds_unknown,
    is_number,
    is_unknown,
    show,
)

_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
_ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def known(value: Any) -> Any:
    """The value, or UNKNOWN_VALUE for any kind of unknown value."""
    return UNKNOWN_VALUE if is_unknown(value) else value


def arithmetic(place: Place, sign: str, left: Any, right: Any) -> Any:
    """`left sign right`. Integers give an integer, except with `/` and negative powers."""
    if is_unknown(left) or is_unknown(right):
        return UNKNOWN_VALUE
    for operand in (left, right):
        if not is_number(operand):
            place.fail(f"`{sign}` needs numbers, got {show(operand)}")
        place.bounded(operand)
    try:
        result = _power(place, left, right) if sign == "**" else _ARITHMETIC[sign](left, right)
    except ZeroDivisionError:
        place.fail("division by zero")
    except OverflowError:
        place.fail("a number that is not finite", code="SPEC033")
    return place.bounded(result)


def _power(place: Place, base: Any, exponent: Any) -> Any:
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    if type(base) is int and type(exponent) is int:
        if exponent >= 0 and (abs(base).bit_length() - 1) * exponent > MAX_INT.bit_length():
            place.fail("an integer larger than 10^30", code="SPEC033")  # before computing it
    elif base < 0 and exponent != math.floor(exponent):
        place.fail(f"{show(base)} ** {show(exponent)} is not a real number")
    return base**exponent


def negated(place: Place, sign: str, operand: Any) -> Any:
    """`-x` or `+x`."""
    if is_unknown(operand):
        return UNKNOWN_VALUE
    if not is_number(operand):
        place.fail(f"`{sign}` needs a number, got {show(operand)}")
    return place.bounded(-operand if sign == "-" else operand)


def compare(place: Place, sign: str, left: Any, right: Any) -> Any:
    """`left sign right`. Values of different kinds are unequal and have no order."""
    for operand in (left, right):
        place.sized(operand)
    if holds_unknown(left) or holds_unknown(right):
        return UNKNOWN_VALUE
    if sign in {"==", "!="}:
        return _equal(left, right) is (sign == "==")
    for operand in (left, right):
        if not is_number(operand):
            place.fail(f"`{sign}` compares numbers, got {show(operand)}")
    return _ORDER[sign](left, right)


def _equal(left: Any, right: Any) -> bool:
    if is_number(left) and is_number(right):
        return bool(left == right)
    if type(left) is not type(right):
        return False
    if type(left) is list:
        return len(left) == len(right) and all(map(_equal, left, right))
    if type(left) in (bool, str) or left is None:
        return bool(left == right)
    return left is right


def truth(place: Place, word: str, value: Any) -> Any:
    """The value as a condition: true, false or unknown. Anything else is an error."""
    if is_unknown(value):
        return UNKNOWN_VALUE
    if type(value) is not bool:
        place.fail(f"`{word}` needs true or false, got {show(value)}")
    return value


def item(place: Place, items: Any, index: Any) -> Any:
    """`items[index]`. Negative indices count from the end."""
    if is_unknown(items) or is_unknown(index):
        return UNKNOWN_VALUE
    if type(items) is not list:
        place.fail(f"only a list has items, got {show(items)}")
    if type(index) is not int:
        place.fail(f"an index must be an integer, got {show(index)}")
    if not -len(items) <= index < len(items):
        place.fail(f"index {index} of {plural(len(items), 'item')}")
    return known(items[index])


def field_of(place: Place, base: Any, name: str) -> Any:
    """`base.name`. `.0` of a list is its first item."""
    if is_unknown(base):
        return UNKNOWN_VALUE
    if has_fields(base):
        try:
            return known(base.field(name))
        except ExpressionError as exc:
            place.fail(exc.message, exc.hint, exc.code)
        except LookupError as exc:
            place.fail(str(exc.args[0]) if exc.args else f"no field `{name}`")
    if type(base) is dict:
        if name not in base:
            place.unlisted(f"no field `{name}`", name, base)
        return known(base[name])
    if name.isdecimal():
        return item(place, base, int(name))
    return place.fail(f"{show(base)} has no field `{name}`")
