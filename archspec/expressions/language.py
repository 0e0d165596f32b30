"""The interface of the package: a scalar → an Expression or a text, and its value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from archspec.diagnostics import Hint
from archspec.diagnostics.hints import write
from archspec.expressions import nodes
from archspec.expressions.functions import FUNCTIONS
from archspec.expressions.parser import MAX_LENGTH, Parser
from archspec.expressions.values import ExpressionError, Place, Value

_STEP: Final = r"\.(?:[0-9]+|[^\W\d]\w*)"
_REFERENCE: Final = re.compile(rf"\$([^\W\d]\w*(?:{_STEP})*)")
_ITEM: Final = re.compile(rf"\$([^\W\d]\w*(?:{_STEP}|\[[^\[\]]*\])*)")  # also `$name[index]`
_COMPUTES: Final = re.compile(r"\s*(?:[-+*/%]|//) *[\w(][^$]*$")  # an operator and what follows it
_CACHED: Final = 2048


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Expression:
    """A parsed expression.

    source: its text. names: its free names, including `in` and `input`.
    name: the name if the expression is only `$name`.
    """

    source: str
    names: frozenset[str]
    name: str | None
    root: nodes.Node
    used: tuple[nodes.Name, ...]

    def evaluate(self, names: Mapping[str, Value]) -> Value:
        """Evaluate the expression. A list or mapping may have at most MAX_ITEMS. Raises ExpressionError.

        Every name must be known, even in a branch that is not taken.
        """
        for name in self.used:
            if name.name not in names:
                _unknown(name, names)
        value: Value = self.root.place.sized(self.root.value(names))  # `[$x, $x]` again and again doubles a list
        return value

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"

    def __str__(self) -> str:
        return self.source


def evaluate(
    expression: Expression, lookup: Mapping[str, Value] | Callable[[str], Value], visible: Iterable[str] = ()
) -> Value:
    """The value of an expression. A callable `lookup` must raise KeyError for a name that is not in `visible`."""
    return expression.evaluate(lookup if isinstance(lookup, Mapping) else _Lookup(lookup, visible))


def parse_expression(text: str) -> Expression:
    """Parse the inside of a `$(…)`. Raises ExpressionError with offsets into `text`."""
    return _parsed(text, 0, len(text))


def template(text: str) -> Expression | str:
    """Parse a YAML scalar: an Expression if it is `$name…` or `$(…)`, otherwise its text (`$$x` means `$x`).

    Raises ExpressionError with offsets into `text`.
    """
    if not text.startswith("$"):
        return text
    if text.startswith("$$"):
        return text[1:]
    return _template(text)


@lru_cache(maxsize=_CACHED)
def _template(text: str) -> Expression:
    if _ITEM.fullmatch(text):
        return _parsed(text, 1, len(text))
    whole = Place(0, len(text))
    if not text.startswith("$("):
        match = _ITEM.match(text)
        if match and match.end() < len(text) and text[match.end()] == "[":
            hint = f'write "$({text[1:]})"' if text.count("[") == text.count("]") else "close the bracket with `]`"
            Place(match.end(), 1).fail("`[` cannot follow `$name`", hint, "SPEC030")
        if match:
            rest = Place(match.end(), len(text) - match.end())
            example = f"$({text[1:]})" if _COMPUTES.match(text, match.end()) else "$(…)"
            hint = f"write `{example}` to compute, `$$` for the text `$`"
            if _is_valid(example):  # the remedy writes the whole value anew
                whole.fail("text cannot follow `$name`", Hint(hint, example), "SPEC030")
            rest.fail("text cannot follow `$name`", hint, "SPEC030")
        hint = Hint("write `$$` for the text `$`", f"${text}")
        whole.fail("`$` must be followed by a name or `(`", hint, "SPEC030")
    if (again := text.find("$(", 2, MAX_LENGTH)) > 0:
        Place(again, 2).fail("a second `$(` in one value", "write `$(` once, around all of it", "SPEC030")
    if not text.endswith(")"):
        whole.fail("`$(…)` must be the whole value", "put all of it inside the brackets", "SPEC030")
    return _parsed(text, 2, len(text) - 1)


def _is_valid(text: str) -> bool:
    """Whether this is an expression."""
    try:
        return bool(_template(text))
    except ExpressionError:
        return False


@lru_cache(maxsize=_CACHED)
def _parsed(text: str, start: int, end: int) -> Expression:
    if end - start > MAX_LENGTH:
        Place(start, end - start).fail(
            f"an expression of {end - start} characters (limit {MAX_LENGTH})", "name parts of it in `vars`", "SPEC033"
        )
    if not text[start:end].strip():
        Place(0, max(1, len(text))).fail("an empty expression", "write a value in the brackets", "SPEC030")
    parser = Parser(text, start, end)
    root = parser.parse()
    used = tuple(parser.used)
    name = root.name if isinstance(root, nodes.Name) else None
    return Expression(text, frozenset(n.name for n in used), name, root, used)


def free_names(expressions: Iterable[Expression | str]) -> frozenset[str]:
    """All free names of these expressions. Texts have none."""
    return frozenset().union(*(e.names for e in expressions if isinstance(e, Expression)))


def _unknown(node: nodes.Name, names: Mapping[str, Value]) -> None:
    if node.name in FUNCTIONS:
        node.place.fail(f"`{node.name}` is a function", f"write {FUNCTIONS[node.name].signature}", "SPEC031")
    if node.name == "None":
        node.place.fail("unknown name `None`", write("null", safe=True), "SPEC031")
    node.place.unlisted(f"unknown name `{node.name[:60]}`", node.name, names)


class _Lookup(Mapping[str, Value]):
    """A callable and the names for which it has a value, as a mapping."""

    def __init__(self, lookup: Callable[[str], Value], visible: Iterable[str]) -> None:
        self._lookup = lookup
        self._visible = tuple(visible)

    def __getitem__(self, name: str) -> Value:
        return self._lookup(name)

    def __contains__(self, name: object) -> bool:
        return name in self._visible or super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._visible)

    def __len__(self) -> int:
        return len(self._visible)


__all__ = ["Expression", "ExpressionError", "evaluate", "free_names", "parse_expression", "template"]
