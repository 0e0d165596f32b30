"""Conditions on a difference, for CI: `params > 1.05x`, `macs > 2G`, `training_peak_bytes > 8GiB`, `macs > +5%`.

A condition is a figure of the second network, a comparison, and a limit. Nothing is evaluated as code.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from archspec.diagnostics import listing, nearest
from archspec.difference.figures import Number
from archspec.difference.model import Difference
from archspec.printing.figures import TITLES, number_text

_FORM: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*(>=|<=|==|!=|>|<)\s*(\S.{0,40}?)\s*")
_LIMIT: Final = re.compile(r"([+\-−]?)\s*([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([A-Za-zµ%×]{0,3})")
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
}
_COUNTS: Final = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_BYTES: Final = {
    "": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
    "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
}
_TIMES: Final = {"": 1, "us": 1e-3, "µs": 1e-3, "ms": 1, "s": 1e3}
_FACTORS: Final = ("x", "×")
_ALL_UNITS: Final = (*_COUNTS, *_BYTES, *_TIMES, *_FACTORS, "%")
ALIASES: Final = {"parameters": "params", "MACs": "macs", "activations": "activation_bytes"}
_EXAMPLES: Final = "'params > 1.05x', 'macs > 2G', 'activation_bytes >= 1GiB', 'macs > +5%'"


class ConditionError(ValueError):
    """A condition that cannot be read. Its text says what is wrong and how to write it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A figure of the second network compared with a limit.

    number, unit: the limit as written; `x`: number × the figure of the first network. signed: the limit is the figure
    of the first network and this much more or less; with `%` in per cent of it.
    """

    text: str
    figure: str
    comparison: str
    number: float
    unit: str
    signed: bool

    def limit(self, before: Number) -> float:
        """The number to compare with, given the figure of the first network."""
        if self.unit in _FACTORS:
            return self.number * before
        if self.unit == "%":
            return before + before * self.number / 100
        value = self.number * float(_units(self.figure)[self.unit])
        return before + value if self.signed else value

    def holds(self, difference: Difference) -> bool:
        """Whether it holds. ConditionError if the networks do not have the figure."""
        before, after = self._values(difference)
        return _OPERATORS[self.comparison](after, self.limit(before))

    def explanation(self, difference: Difference) -> str:
        """`params > 1.05x holds: 48.20 M > 47.70 M, 45.43 M before`."""
        before, after = self._values(difference)
        limit = self.limit(before)
        texts = [number_text(self.figure, value) for value in (after, limit, before)]
        if len(set(texts)) < len({after, limit, before}):  # rounded they look equal
            texts = [f"{value:,}" for value in (after, limit, before)]
        return f"{self.text} holds: {texts[0]} {self.comparison} {texts[1]}, {texts[2]} before"

    def to_json(self, difference: Difference) -> dict[str, Any]:
        """The condition, its limit, and whether it holds."""
        before, after = self._values(difference)
        return {
            "condition": self.text, "figure": self.figure, "value": after, "limit": self.limit(before),
            "holds": self.holds(difference),
        }

    def _values(self, difference: Difference) -> tuple[Number, Number]:
        if self.figure not in difference.values:
            raise ConditionError(_unknown(self.text, self.figure, difference))
        if self.unit not in (*_units(self.figure), *_FACTORS, "%"):
            raise ConditionError(_misfit(self.text, self.figure, self.unit))
        before, after = difference.values[self.figure]
        if before is None or after is None:
            side = difference.before if before is None else difference.after
            raise ConditionError(f"{self.text!r}: {side} does not have this figure")
        return before, after


def parse_condition(text: str) -> Condition:
    """Read a condition. ConditionError if it is not one."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise ConditionError(f"{text!r} is not a condition; write a figure, a comparison and a number: {_EXAMPLES}")
    name, comparison, rest = form.groups()
    figure = ALIASES.get(name, name)
    limit = _LIMIT.fullmatch(rest)
    if limit is None:
        raise ConditionError(f"{text!r}: {rest!r} is not a number with a unit; write {_EXAMPLES}")
    sign, digits, unit = limit.groups()
    units = (*_units(figure), *_FACTORS, "%")
    if unit not in units and (figure in TITLES or unit not in _ALL_UNITS):  # another name may be a slip
        raise ConditionError(_misfit(text, figure, unit))
    if unit == "%" and not sign:
        raise ConditionError(f"{text!r}: write a change in per cent with its sign, as in '+{rest}'")
    if unit in _FACTORS and sign:
        raise ConditionError(f"{text!r}: a factor has no sign; write '{rest.lstrip('+-−')}'")
    if not unit and "." in digits and not float(digits).is_integer() and not figure.endswith("_ms"):
        raise ConditionError(f"{text!r}: {digits} is not a whole number; write '{digits}x' for a multiple of it")
    number = float(digits) * (-1 if sign in ("-", "−") else 1)
    return Condition(" ".join(text.split()), figure, comparison, number, unit, bool(sign))


def _units(figure: str) -> dict[str, Any]:
    return _BYTES if figure.endswith("_bytes") else _TIMES if figure.endswith("_ms") else _COUNTS


def _misfit(text: str, figure: str, unit: str) -> str:
    known = listing([*(u for u in _units(figure) if u), "x", "%"])
    return f"{text!r}: the unit {unit!r} does not fit {figure}; units: {known}"


def _unknown(text: str, name: str, difference: Difference) -> str:
    known: Iterable[str] = difference.values
    if name.startswith("predicted_") and not any(figure.startswith("predicted_") for figure in known):
        return f"{text!r}: times are predicted for a device: add --target h200, for example"
    close = nearest(name, known)
    return f"{text!r}: there is no figure `{name}`; " + (close.words("") if close else f"figures: {listing(known)}")
