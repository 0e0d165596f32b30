"""What expressions compute with: values, the unknown value, bounds, and the error that tells its place."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NoReturn, Protocol, TypeAlias, TypeGuard

from archspec.diagnostics import listing, nearest
from archspec.diagnostics.hints import write
from archspec.source import BROKEN
from archspec.types import is_unknown as is_unknown_dim

MAX_INT: Final = 10**30
MAX_ITEMS: Final = 1_000  # of a list, those of the lists in it counted
MAX_LEVELS: Final = 32
_SHOWN_NAMES: Final = 200  # a text may define very many


class Unknown(enum.Enum):
    """The type of UNKNOWN_VALUE; an Enum, so that copying and pickling keep the one instance."""

    UNKNOWN_VALUE = "unknown"

    def __repr__(self) -> str:
        return "?"

    __str__ = __repr__


UNKNOWN_VALUE: Final = Unknown.UNKNOWN_VALUE  # what an error already reported has left open


class Fields(Protocol):
    """A host object that expressions may ask for fields, such as `in` and `input`."""

    def field(self, name: str) -> Any:
        """The field's value; LookupError (its first argument is the message) if it has no such field."""


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
    """Whether an error reported elsewhere has left this value open; a dimension of a shape may be so, too."""
    return value is UNKNOWN_VALUE or value is BROKEN or is_unknown_dim(value)


def has_fields(value: Any) -> TypeGuard[Fields]:
    """Whether expressions may ask it for fields. `isinstance` with a Protocol takes 50 times as long."""
    return callable(getattr(value, "field", None))


def holds_unknown(value: Any) -> bool:
    """Whether this value, or an item of this list or mapping, is unknown. Not for lists that `sized` refuses."""
    if type(value) is list:
        return any(holds_unknown(item) for item in value)
    if type(value) is dict:
        return any(holds_unknown(item) for item in value.values())
    return is_unknown(value)


def is_number(value: Any) -> bool:
    """Whether arithmetic takes it: true and false are no numbers."""
    return type(value) is int or type(value) is float


def show(value: Any) -> str:
    """A value as a message shows it."""
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
    """Where a piece of an expression stands; what goes wrong in it is raised from here."""

    offset: int
    length: int

    def fail(self, message: str, hint: str | None = None, code: str = "SPEC032") -> NoReturn:
        """Raise ExpressionError here."""
        raise ExpressionError(code, message, self.offset, self.length, hint=hint)

    def unlisted(self, message: str, name: str, known: Iterable[str]) -> NoReturn:
        """Raise that `name` is not among those known, and which are; what could not be written is left out."""
        names = [known_name for known_name in islice(known, _SHOWN_NAMES) if known_name.isprintable()]
        near = nearest(name, names)
        self.fail(f"{message}; visible: {listing(names)}", write(near, safe=True) if near else None, "SPEC031")

    def bounded(self, value: Any) -> Any:
        """The number, if it is within the limits."""
        if type(value) is int:
            if -MAX_INT <= value <= MAX_INT:
                return value
            self.fail("an integer larger than 10^30", code="SPEC033")
        if not math.isfinite(value):
            self.fail("a number that is not finite", code="SPEC033")
        return value

    def sized(self, value: Any) -> Any:
        """The value, if it is no list or mapping beyond the limits."""
        if type(value) in (list, dict) and _weight(value, MAX_ITEMS, MAX_LEVELS) > MAX_ITEMS:
            kind = "list" if type(value) is list else "mapping"
            self.fail(f"a {kind} of more than {MAX_ITEMS:,} items or {MAX_LEVELS} levels", code="SPEC033")
        return value


def _weight(value: list[Any] | dict[str, Any], budget: int, levels: int) -> int:
    """The number of items of a collection and those in it; above `budget` it stops counting.

    Items are counted wherever they stand, so a list that holds one list twice weighs twice.
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
