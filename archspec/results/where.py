"""Parses conditions on runs, such as `lr > 0.1 and network = lenet`, and evaluates them on plain data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from archspec.diagnostics import error, listing, nearest

MAX_LENGTH: Final = 1000
MAX_DEPTH: Final = 50
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<op><=|>=|!=|==|=|<|>|~)|(?P<bracket>[()])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<word>[^\s()<>=!~"']+))"""
)
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

Row = Mapping[str, Any]
Condition = Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def parse_where(text: str) -> Condition:
    """Parse a condition: comparisons of a field with a value by = != < <= > >= or ~ (contains), and `and`, `or`, `not`
    and brackets. If a run does not have the field, every comparison except != is false. Raises SpecError RUN380.
    """
    if len(text) > MAX_LENGTH:
        raise error("RUN380", f"a condition of {len(text)} characters (limit {MAX_LENGTH})")
    parser = _Parser(text, _tokens(text))
    condition = parser.either(0)
    if parser.rest:
        raise parser.unexpected()
    return condition


def field_of(row: Row, name: str) -> Any:
    """A figure or setting of a run: `network`, `test_accuracy`, `lr` (for `train.lr`), `vars.width`; or None."""
    if name in row and name not in ("settings", "tags"):
        return row[name]
    if name in ("tag", "tags"):
        return row.get("tags")
    settings: Mapping[str, Any] = row.get("settings") or {}
    return next((settings[key] for key in (name, f"train.{name}", f"vars.{name}") if key in settings), None)


def field_names(rows: list[dict[str, Any]]) -> list[str]:
    """The fields of these runs."""
    names = dict.fromkeys(key for row in rows for key in row if key != "settings")
    settings = dict.fromkeys(key.removeprefix("train.") for row in rows for key in row.get("settings") or {})
    return [*names, *settings, *(key for row in rows for key in row.get("settings") or {} if key.startswith("train."))]


def check_fields(text: str, rows: list[dict[str, Any]]) -> None:
    """Raise SpecError RUN380 if a condition uses a field that no run has."""
    known = field_names(rows)
    for first, second in pairwise(_tokens(text)):
        name = first.text
        if not rows or second.kind != "op" or name == "tag" or {name, f"vars.{name}"} & {*known}:
            continue
        close = nearest(name, known)
        hint = close.words() if close else f"fields: {listing(known, 30)}"
        raise error("RUN380", f"no run has a field `{name}`", hint=hint)


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise error("RUN380", f"`{text[place:].strip()[:20]}` is not part of a condition", hint=_HINT)
        kind = match.lastgroup or ""
        value = match[kind]
        if kind == "word" and value.lower() in ("and", "or", "not"):
            kind, value = "joint", value.lower()
        found.append(_Token("text" if kind in ("double", "single") else kind, value))
        place = match.end()
    return found


_HINT: Final = "write `lr > 0.1 and network = lenet`"


class _Parser:
    """Recursive descent: either → both → single."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self.text, self.rest = text, tokens

    def either(self, depth: int) -> Condition:
        found = [self.both(depth)]
        while self._take("joint", "or"):
            found.append(self.both(depth))
        return found[0] if len(found) == 1 else lambda row: any(condition(row) for condition in found)

    def both(self, depth: int) -> Condition:
        found = [self.single(depth)]
        while self._take("joint", "and"):
            found.append(self.single(depth))
        return found[0] if len(found) == 1 else lambda row: all(condition(row) for condition in found)

    def single(self, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise error("RUN380", f"a condition of more than {MAX_DEPTH} levels")
        if self._take("joint", "not"):
            inner = self.single(depth + 1)
            return lambda row: not inner(row)
        if self._take("bracket", "("):
            inner = self.either(depth + 1)
            if not self._take("bracket", ")"):
                raise self.unexpected("a `)`")
            return inner
        name = self._next(("word",), "a field")
        operator = self._next(("op",), f"a comparison after `{name}`")
        return _comparison(name, operator, self._next(("word", "text"), "a value"))

    def _take(self, kind: str, text: str) -> bool:
        if self.rest and (self.rest[0].kind, self.rest[0].text) == (kind, text):
            self.rest.pop(0)
            return True
        return False

    def _next(self, kinds: tuple[str, ...], expected: str) -> str:
        if not self.rest or self.rest[0].kind not in kinds:
            raise self.unexpected(expected)
        return self.rest.pop(0).text

    def unexpected(self, expected: str = "`and` or `or`") -> Exception:
        """The error for a token in the place of `expected`."""
        found = f"got `{self.rest[0].text[:20]}`" if self.rest else "the condition ends"
        return error("RUN380", f"the condition needs {expected}: {found}", hint=_HINT)


def _comparison(name: str, operator: str, text: str) -> Condition:
    number = float(text) if _NUMBER.fullmatch(text) else None

    def holds(row: Row) -> bool:
        value = field_of(row, name)
        if isinstance(value, list):
            equal = text in map(str, value)
        elif number is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
            return _ordered(operator, float(value), number)
        else:
            equal = value is not None and _plain(value) == text.lower()
        if operator in ("=", "=="):
            return equal
        if operator == "!=":
            return not equal
        return operator == "~" and value is not None and text.lower() in _plain(value)

    return holds


def _ordered(operator: str, value: float, number: float) -> bool:
    return {
        "=": value == number, "==": value == number, "!=": value != number, "<": value < number, "<=": value <= number,
        ">": value > number, ">=": value >= number, "~": False,
    }[operator]


def _plain(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value).lower()
