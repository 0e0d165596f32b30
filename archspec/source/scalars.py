"""Resolves plain scalars by YAML 1.2's core schema (YAML 1.2.2, section 10.3.2).

PyYAML follows YAML 1.1, where `no`, `1:30`, `012` and `2001-01-01` silently become something else.
"""

from __future__ import annotations

import enum
import math
import re
from typing import Final


class Broken(enum.Enum):
    """The type of BROKEN; an Enum, so that copying and pickling keep the one instance."""

    BROKEN = "broken"

    def __repr__(self) -> str:
        return "BROKEN"

    __str__ = __repr__


BROKEN: Final = Broken.BROKEN  # the value after an error that is already reported

MAX_DIGITS: Final = 100

_CONSTANTS: Final[dict[str, bool | None]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_NUMBER_STARTS: Final = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = {"0o": (8, re.compile(r"0o[0-7]+")), "0x": (16, re.compile(r"0x[0-9a-fA-F]+"))}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_NAN = frozenset({".nan", ".NaN", ".NAN"})


class NumberTooLong(ValueError):
    """A number that is too long to read. The message says why."""


def resolve(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar. Raises NumberTooLong."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    return _number(text)


def _number(text: str) -> str | int | float:
    if _INT.fullmatch(text):
        return int(_bounded(text))
    if text[:2] in _BASED:
        base, pattern = _BASED[text[:2]]
        return int(_bounded(text), base) if pattern.fullmatch(text) else text
    if _FLOAT.fullmatch(text):
        value = float(_bounded(text))
        if math.isinf(value):
            raise NumberTooLong(f"{text} is too large for a float")
        return value
    if match := _INFINITY.fullmatch(text):
        return -math.inf if match[1] == "-" else math.inf
    return math.nan if text in _NAN else text


def _bounded(text: str) -> str:
    if len(text) > MAX_DIGITS:
        raise NumberTooLong(f"a number of {len(text)} characters (limit {MAX_DIGITS})")
    return text


FORBIDDEN: Final = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]"
_FORBIDDEN = re.compile(FORBIDDEN)


def forbidden(text: str) -> str | None:
    """The first forbidden character (control characters, line separators, lone surrogates), or None."""
    match = _FORBIDDEN.search(text)
    return match[0] if match else None
