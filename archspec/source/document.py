"""A Document: plain data, and the place in the text of every key and value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from archspec.diagnostics import Diagnostic, SourceSpan, error
from archspec.source.scalars import MAX_DIGITS, forbidden

Path = tuple[str | int, ...]  # ("stages", "b1", 0, "conv2d", "kernel_size")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on a text's size and depth. The command line can raise them, but a text cannot."""

    max_bytes: int = 2**20
    max_depth: int = 64
    max_events: int = 100_000


DEFAULT_LIMITS: Final = Limits()


class Node:
    """The place of a value (line and columns from 0), and the nodes inside it."""

    __slots__ = ("column", "end_column", "end_line", "items", "line")

    def __init__(self, line: int, column: int, end_line: int, end_column: int) -> None:
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end_column
        self.items: list[Node] | dict[str, tuple[Node, Node]] | None = None  # a mapping has (key, value) nodes

    def holding(self, items: list[Node] | dict[str, tuple[Node, Node]]) -> Node:
        """The same place with other nodes inside."""
        node = Node(self.line, self.column, self.end_line, self.end_column)
        node.items = items
        return node

    def first_line_end(self, lines: tuple[str, ...]) -> int:
        """The column after the last character of this node on its first line."""
        if self.end_line == self.line:
            return self.end_column
        if self.items is None:  # a scalar on several lines
            return len(lines[self.line].rstrip())
        end = self.column + 1
        pairs = self.items.values() if isinstance(self.items, dict) else ((item, item) for item in self.items)
        for key, value in pairs:
            if key.line != self.line:
                break
            end = max(end, key.end_column if value.line != self.line else value.first_line_end(lines))
        return end


@dataclass(frozen=True, slots=True)
class Document:
    """One text as data.

    name: its name in messages (the path as the user gave it).
    data: dict (keys are str), list, str, int, float, bool, None; BROKEN if there is no value because of an error.
    errors: the mistakes that did not stop parsing; code that uses `data` reports them too.
    guessed: lines (from 1) whose broken syntax was repaired by a guess; further mistakes there are not reported.
    lost: words in unreadable text. Names among them are not reported as missing or unused.
    """

    name: str
    data: Any
    errors: tuple[Diagnostic, ...] = ()
    lines: tuple[str, ...] = field(default=(), repr=False)
    root: Node | None = field(default=None, repr=False)
    guessed: frozenset[int] = field(default=frozenset(), repr=False)
    lost: frozenset[str] = field(default=frozenset(), repr=False)

    def span(self, path: Path = (), *, key: bool = False) -> SourceSpan | None:
        """The place of the value at `path`, or of its key, or of its nearest ancestor. None if there is no text."""
        found = self._find(path, key)
        return None if found is None else self._span_of(found)

    def part(self, path: Path, offset: int, length: int = 1, *, key: bool = False) -> SourceSpan | None:
        """The place of `length` characters at `offset` inside a scalar.

        It is the whole scalar if its source differs from its text (escapes, folded lines).
        """
        node = self._find(path, key)
        if node is None:
            return None
        whole = self._span_of(node)
        text = self._scalar_text(path, key)
        source = whole.text[node.column : node.column + whole.length]
        if text is None or offset > len(text):
            return whole
        if source[:1] in {'"', "'"} and source[1:-1] == text:
            offset += 1
        elif source != text:
            return whole
        return self._at(node.line, node.column + offset, length)

    def node(self, path: Path = ()) -> Node | None:
        """The node of the value at `path`. None if there is no such value, or no text."""
        node = self.root
        for step in path:
            items = node.items if node is not None else None
            if isinstance(items, dict) and step in items:
                node = items[step][1]
            elif isinstance(items, list) and isinstance(step, int) and -len(items) <= step < len(items):
                node = items[step]
            else:
                return None
        return node

    def is_blank(self, path: Path) -> bool:
        """Whether nothing is written for the value at `path`, which is null. False if there is no text."""
        node = self.node(path)
        return node is not None and node.items is None and (node.line, node.column) == (node.end_line, node.end_column)

    def renamed(self, path: Path, name: str, *, key: bool) -> Document:
        """The data with this name at the place of a value, or of its key. The places stay those of the text."""
        if not key:
            return replace(self, data=_with(self.data, path, lambda _: name))
        *holder, old = path

        def change(items: Any) -> dict[str, Any]:
            return {name if one == old else one: value for one, value in items.items()}

        def change_node(node: Node) -> Node:
            return node.holding(change(node.items))

        root = None if self.root is None else _with(self.root, tuple(holder), change_node)
        return replace(self, data=_with(self.data, tuple(holder), change), root=root)

    def _scalar_text(self, path: Path, key: bool) -> str | None:
        value: Any = self.data
        for step in path[:-1] if key and path else path:
            value = _child(value, step)
        value = path[-1] if key and path else value
        return value if isinstance(value, str) else None

    def is_on_one_line(self, path: Path, *, key: bool = False) -> bool:
        """Whether the value at `path` is on one line. True if there is no text."""
        node = first = self._find(path, key)
        # A block collection ends where the next thing starts: its last line is that of its last element.
        while node is not None and node.items and self.lines[node.line][node.column] not in "[{":
            last = [*node.items.values()][-1] if isinstance(node.items, dict) else node.items[-1]
            node = last[1] if isinstance(last, tuple) else last
        return node is None or first is None or node.end_line == first.line

    def _find(self, path: Path, key: bool) -> Node | None:
        node = key_node = self.root
        for step in path:
            items = node.items if node is not None else None
            if isinstance(items, dict) and step in items:
                key_node, node = items[step]
            elif isinstance(items, list) and isinstance(step, int) and -len(items) <= step < len(items):
                key_node = node = items[step]
            else:
                return node
        return key_node if key else node

    def _span_of(self, node: Node) -> SourceSpan:
        return self._at(node.line, node.column, node.first_line_end(self.lines) - node.column)

    def _at(self, line: int, column: int, length: int) -> SourceSpan:
        if line >= len(self.lines):  # libyaml's end of a text that does not end its last line
            line, column = len(self.lines) - 1, len(self.lines[-1])
        return SourceSpan(self.name, line + 1, column + 1, max(1, length), self.lines[line])


def document_of(data: Any, name: str = "<python>", limits: Limits = DEFAULT_LIMITS) -> Document:
    """Make a Document, without spans, of a copy of Python data. Raises SpecError if the data is not plain."""
    return Document(name, _Copier(limits).copy(data, ()))


def _child(value: Any, step: str | int) -> Any:
    """The value at `step`, or None."""
    if isinstance(step, str):
        return value.get(step) if isinstance(value, dict) else None
    return value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None


def _with(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """A copy of data, or of nodes, in which the part at `path` is changed; the rest is shared."""
    if not path:
        return change(value)
    step: Any = path[0]
    rest = path[1:]
    if isinstance(value, Node):
        items: Any = value.items
        if isinstance(items, list):
            return value.holding(_with(items, path, change))
        key, inner = items[step]
        return value.holding({**items, step: (key, _with(inner, rest, change))})
    if isinstance(value, dict):
        return {**value, step: _with(value[step], rest, change)}
    return [_with(item, rest, change) if k == step else item for k, item in enumerate(value)]


class _Copier:
    """Copies plain data. The count bounds shared data, the depth bounds data that contains itself."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.count = 0

    def copy(self, value: Any, path: Path) -> Any:
        self.count += 1
        if self.count > self.limits.max_events:
            raise error("SPEC003", f"the data has more than {self.limits.max_events} values")
        kind = type(value)
        if kind in (str, int, float, bool) or value is None:
            return self._scalar(value, path)
        if len(path) >= self.limits.max_depth:
            raise error("SPEC003", f"the data is nested deeper than {self.limits.max_depth} levels")
        if kind in (list, tuple):
            return [self.copy(item, (*path, i)) for i, item in enumerate(value)]
        if kind is not dict:
            raise error(
                "SPEC009", f"{_where(path)}: {kind.__name__} is not plain data",
                hint="use dict, list, str, int, float, bool or None",
            )
        for key in value:
            if type(key) is not str:
                raise error("SPEC008", f"{_where(path)}: the key {key!r:.80} is not text", hint="use a str")
            self._scalar(key, path)
        return {key: self.copy(item, (*path, key)) for key, item in value.items()}

    def _scalar(self, value: Any, path: Path) -> Any:
        if type(value) is int and abs(value) >= 10**MAX_DIGITS:
            raise error("SPEC009", f"{_where(path)}: a number with more than {MAX_DIGITS} digits")
        found = forbidden(value) if type(value) is str else None
        if found is not None:
            message = f"{_where(path)}: the text contains the control character U+{ord(found):04X}"
            raise error("SPEC007", message, hint="delete it")
        return value


def _where(path: Path) -> str:
    text = ".".join(map(str, path))[:200] or "the data"
    return "".join(c if c.isprintable() else "·" for c in text)
