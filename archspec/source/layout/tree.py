"""The tree from which a layout is printed: collections, scalars and comments as written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Comment:
    """A comment from its `#`.

    column: its column. gap: spaces before it. own: on a line of its own. blank: after an empty line.
    """

    text: str
    column: int
    gap: int
    own: bool
    blank: bool = False


@dataclass(slots=True)
class Scalar:
    """A scalar. style: as in YAML's events, empty for a plain one. source: as written, from its first character."""

    value: str
    style: str
    source: str


@dataclass(slots=True)
class Entry:
    """An item of a list (key None), or a key and its value.

    before: comments above it. head: comments between key or dash and value. after: the comment after the value.
    colon: whether a `:` follows the key (in flow style it may be left out). blank: after an empty line.
    """

    key: Scalar | None
    value: Node
    before: list[Comment] = field(default_factory=list)
    head: list[Comment] = field(default_factory=list)
    after: list[Comment] = field(default_factory=list)
    blank: bool = False
    colon: bool = True

    def comments(self) -> Iterator[Comment]:
        """All comments of the entry and inside its value, in the order of the text."""
        yield from self.before
        yield from self.head
        if isinstance(self.value, Collection):
            yield from self.value.comments()
        yield from self.after


@dataclass(slots=True)
class Collection:
    """A mapping or a list.

    braces: whether a flow mapping has braces; the one in `[a: 1]` has none. column: where its items begin.
    opening: comments after the opening bracket. tail: comments after the last item.
    """

    mapping: bool
    flow: bool
    braces: bool
    column: int
    indentless: bool = False
    entries: list[Entry] = field(default_factory=list)
    opening: list[Comment] = field(default_factory=list)
    tail: list[Comment] = field(default_factory=list)

    def comments(self) -> Iterator[Comment]:
        """All comments inside it, in the order of the text."""
        yield from self.opening
        for entry in self.entries:
            yield from entry.comments()
        yield from self.tail


Node = Scalar | Collection


@dataclass(slots=True)
class Text:
    """A whole text. head: comments and a directive above an explicit `---`; marked: whether there is one."""

    root: Entry
    head: list[Comment] = field(default_factory=list)
    marked: bool = False
