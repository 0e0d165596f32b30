"""Values of expressions, the unknown value, the limits, and the error with its place."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NoReturn, Protocol, TypeAlias, TypeGuard

from archspec.diagnostics import listing, nearest
from archspec.diagnostics.hints import write_near
from archspec.source import BROKEN
from archspec.types import is_unknown as is_unknown_dim

MAX_INT: Final = 10**30
MAX_ITEMS: Final = 1_000  # of a list, including the items of lists inside it
MAX_LEVELS: Final = 32
_SHOWN_NAMES: Final = 200  # the most names that are considered; a text may define many more


class Unknown(enum.Enum):
    """The type of UNKNOWN_VALUE. It is an Enum, so that copying and pickling keep a single instance."""

    UNKNOWN_VALUE = "unknown"

    def __repr__(self) -> str:
        return "?"

    __str__ = __repr__


UNKNOWN_VALUE: Final = Unknown.UNKNOWN_VALUE  # a value that is unknown because of an error that is already reported


class Fields(Protocol):
    """An object with fields that expressions can use, such as `in` and `input`."""

    def field(self, name: str) -> Any:
        """The value of a field. Raises LookupError, with the message as its argument, if there is no such field."""


Value: TypeAlias = "int | float | bool | str | list[Any] | dict[str, Any] | Fields | Unknown | None"


class ExpressionError(Exception):
    """A mistake in an expression, at `length` characters from `offset` in the scalar's text.

    code: SPEC030 syntax, SPEC031 unknown name, SPEC032 type or value, SPEC033 a limit.
    """

    def __init__(self, code: str, message: str, offset: int, length: int = 1, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.offset = offset
        self.length = length

    def __reduce__(self) -> tuple[Any, ...]:
        state = {"hint": self.hint}
        return type(self), (self.code, self.message, self.offset, self.length), state


def is_unknown(value: Any) -> bool:
    """Whether this value, or dimension of a shape, is unknown because of an error that is already reported."""
    return value is UNKNOWN_VALUE or value is BROKEN or is_unknown_dim(value)


def has_fields(value: Any) -> TypeGuard[Fields]:
    """Whether it has fields for expressions. `isinstance` with a Protocol takes 50 times as long."""
    return callable(getattr(value, "field", None))


def holds_unknown(value: Any) -> bool:
    """Whether this value, or an item of this list or mapping, is unknown. Not for lists that `sized` refuses."""
    if type(value) is list:
        return any(holds_unknown(item) for item in value)
    if type(value) is dict:
        return any(holds_unknown(item) for item in value.values())
    return is_unknown(value)


def is_number(value: Any) -> bool:
    """Whether it is a number for arithmetic, which true and false are not."""
    return type(value) is int or type(value) is float


def show(value: Any) -> str:
    """A value as text for messages."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f'"{value[:40]}…"' if len(value) > 40 else f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(show(item) for item in value[:6]) + (", …]" if len(value) > 6 else "]")
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (int, float)):
        return str(value)[:40]
    return str(value)[:80]


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Place:
    """The place of a part of an expression, which raises the errors in that part."""

    offset: int
    length: int

    def fail(self, message: str, hint: str | None = None, code: str = "SPEC032") -> NoReturn:
        """Raise ExpressionError here."""
        raise ExpressionError(code, message, self.offset, self.length, hint=hint)

    def unlisted(self, message: str, name: str, known: Iterable[str]) -> NoReturn:
        """Raise that `name` is unknown, and list the known names that an expression can contain."""
        names = [known_name for known_name in islice(known, _SHOWN_NAMES) if known_name.isprintable()]
        near = nearest(name, names)
        self.fail(f"{message}; visible: {listing(names)}", write_near(near) if near else None, "SPEC031")

    def bounded(self, value: Any) -> Any:
        """The number. Raises ExpressionError if it exceeds the limits."""
        if type(value) is int:
            if -MAX_INT <= value <= MAX_INT:
                return value
            self.fail("an integer larger than 10^30", code="SPEC033")
        if not math.isfinite(value):
            self.fail("a number that is not finite", code="SPEC033")
        return value

    def sized(self, value: Any) -> Any:
        """The value. Raises ExpressionError if it is a list or mapping that exceeds the limits."""
        if type(value) in (list, dict) and _weight(value, MAX_ITEMS, MAX_LEVELS) > MAX_ITEMS:
            kind = "list" if type(value) is list else "mapping"
            self.fail(f"a {kind} of more than {MAX_ITEMS:,} items or {MAX_LEVELS} levels", code="SPEC033")
        return value


def _weight(value: list[Any] | dict[str, Any], budget: int, levels: int) -> int:
    """The number of items in a collection and in the collections inside it. Counting stops above `budget`.

    An item counts at each place, so the items of a list that occurs twice count twice.
    """
    total = len(value)
    if levels == 0:
        return budget + 1
    for item in value if type(value) is list else value.values():  # type: ignore[union-attr]
        if total > budget:
            break
        if type(item) in (list, dict):
            total += _weight(item, budget - total, levels - 1)
    return total
