"""The functions of the expression language."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from archspec.expressions.values import UNKNOWN_VALUE, Place, holds_unknown, is_number, show

DEFAULT_DIVISOR: Final = 8


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Function:
    """A function: `call(place, arguments)`, the number of its arguments, and their names if they have any."""

    signature: str
    least: int
    most: int | None  # None: any number
    call: Callable[[Place, list[Any]], Any]
    parameters: tuple[str, ...] = ()


def make_divisible(value: float, divisor: int = DEFAULT_DIVISOR) -> int:
    """The multiple of `divisor` nearest to `value`, at least `divisor` and not below 0.9 * value.

    Source: Howard et al. 2019, "Searching for MobileNetV3"; the rule of their published code.
    """
    nearest = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * value else nearest


def _number(place: Place, name: str, value: Any) -> Any:
    if not is_number(value):
        place.fail(f"`{name}` needs a number, got {show(value)}")
    return place.bounded(value)


def _numbers(place: Place, name: str, arguments: list[Any]) -> list[Any]:
    """The numbers of one list, or of several arguments."""
    items = arguments
    if len(arguments) == 1:
        if type(arguments[0]) is not list:
            place.fail(f"`{name}` needs a list or several numbers, got {show(arguments[0])}")
        items = arguments[0]
    return [_number(place, name, item) for item in items]


def _extreme(name: str, pick: Callable[[list[Any]], Any]) -> Callable[[Place, list[Any]], Any]:
    def call(place: Place, arguments: list[Any]) -> Any:
        numbers = _numbers(place, name, arguments)
        if not numbers:
            place.fail(f"`{name}` of an empty list")
        return pick(numbers)

    return call


def _sum(place: Place, arguments: list[Any]) -> Any:
    if type(arguments[0]) is not list:
        place.fail(f"`sum` needs a list, got {show(arguments[0])}")
    total: Any = 0
    for number in _numbers(place, "sum", arguments):
        total = place.bounded(total + number)
    return total


def _len(place: Place, arguments: list[Any]) -> Any:
    if type(arguments[0]) not in (list, str):
        place.fail(f"`len` needs a list or a text, got {show(arguments[0])}")
    return len(arguments[0])


def _one(name: str, function: Callable[[Any], Any]) -> Callable[[Place, list[Any]], Any]:
    def call(place: Place, arguments: list[Any]) -> Any:
        return place.bounded(function(_number(place, name, arguments[0])))

    return call


def _make_divisible(place: Place, arguments: list[Any]) -> Any:
    value = _number(place, "make_divisible", arguments[0])
    divisor = arguments[1] if len(arguments) == 2 else DEFAULT_DIVISOR
    if type(divisor) is not int or divisor < 1:
        place.fail(f"`make_divisible` needs a positive integer as its divisor, got {show(divisor)}")
    return place.bounded(make_divisible(value, place.bounded(divisor)))


FUNCTIONS: Final[dict[str, Function]] = {
    "min": Function("min(a, b, …) or min(list)", 1, None, _extreme("min", min)),
    "max": Function("max(a, b, …) or max(list)", 1, None, _extreme("max", max)),
    "sum": Function("sum(list)", 1, 1, _sum),
    "len": Function("len(list)", 1, 1, _len),
    "abs": Function("abs(x)", 1, 1, _one("abs", abs)),
    "int": Function("int(x)", 1, 1, _one("int", int)),
    "round": Function("round(x)", 1, 1, _one("round", round)),
    "floor": Function("floor(x)", 1, 1, _one("floor", math.floor)),
    "ceil": Function("ceil(x)", 1, 1, _one("ceil", math.ceil)),
    "make_divisible": Function("make_divisible(v, d=8)", 1, 2, _make_divisible, ("v", "d")),
}


def call(place: Place, name: str, arguments: list[Any]) -> Any:
    """The value of a call with a valid number of arguments; unknown if an argument is."""
    if name == "len" and type(arguments[0]) is list:
        return len(arguments[0])  # known even if an item is not
    for argument in arguments:
        place.sized(argument)
    if any(holds_unknown(argument) for argument in arguments):
        return UNKNOWN_VALUE
    return FUNCTIONS[name].call(place, arguments)
