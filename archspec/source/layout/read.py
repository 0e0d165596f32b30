"""YAML's events and the text between them → the tree from which a layout is printed.

Events do not contain comments and empty lines. These are in the gaps between two events, where the only other
characters are the indicators `- ? : , [ ] { }`, so a `#` there always begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from yaml import events as ev

from archspec.source.layout.tree import Collection, Comment, Entry, Node, Scalar, Text

_PART: Final = re.compile(r"(\n)|(#[^\n]*)|(---)|(-)|(\S)")
_NOTHING: Final = Scalar("", "", "")


class Reader:
    """Builds the tree of one text without mistakes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0  # how far the text is read
        self.breaks = 1  # line breaks since the last token; the text begins on a new line
        self.pending: list[Comment] = []  # comments above the next entry
        self.stack: list[Collection] = [Collection(False, False, True, 0)]
        self.open: Entry | None = None  # has a key or dash, and no value yet
        self.opened: Collection | None = None  # a flow collection whose bracket is the last token
        self.last: Entry | None = None  # the last complete entry
        self.key_end = 0  # where the key of the open entry ends
        self.dashed: tuple[bool, list[Comment], list[Comment]] | None = None  # an item's blank, before and head
        self.result = Text(Entry(None, _NOTHING))

    def read(self, events: Iterable[Any]) -> Text:
        """The tree of all events."""
        takers = {
            ev.ScalarEvent: self._scalar, ev.MappingStartEvent: self._start, ev.SequenceStartEvent: self._start,
            ev.MappingEndEvent: self._end, ev.SequenceEndEvent: self._end,
        }
        for event in events:
            take = takers.get(type(event))
            if take is not None:
                mark: Any = event.start_mark
                self._gap(mark.index)
                take(event)
        self._gap(len(self.text))
        root = self.stack[0].entries
        self.result.root = root[0] if root else Entry(None, _NOTHING)
        if isinstance(self.result.root.value, Collection):
            self.result.root.value.tail += self.pending
        else:
            self.result.root.after += self.pending
        return self.result

    # -- between two events --------------------------------------------------------------------------------------

    def _gap(self, end: int) -> None:
        """Take the comments, dashes and empty lines up to `end`."""
        for match in _PART.finditer(self.text, self.at, max(end, self.at)):
            if match[1]:
                self.breaks += 1
                self.opened = None
            elif match[2]:
                self._comment(match[2].rstrip(), match.start())
            elif match[3]:
                self._marker()
            elif match[4]:
                self.dashed = (self.breaks > 1, self._taken(), [])
                self.breaks = 0
            else:  # an indicator, or the end of the document
                self.breaks = 0
        self.at = max(end, self.at)

    def _comment(self, text: str, index: int) -> None:
        start = self.text.rfind("\n", 0, index) + 1
        own = self.breaks > 0 or not self.text[start:index].strip()
        gap = index - len(self.text[start:index].rstrip(" ")) - start
        comment = Comment(text, index - start, gap, own, self.breaks > 1)
        self.breaks = 0
        if self.dashed is not None:
            self.dashed[2].append(comment)
        elif self.open is not None:
            self.open.head.append(comment)
        elif own:
            self.pending.append(comment)
        elif self.opened is not None:
            self.opened.opening.append(comment)
        elif self.last is not None:
            self.last.after.append(comment)
        else:
            self.pending.append(comment)

    def _marker(self) -> None:
        """Read `---`. The comments above it are the head of the text."""
        if self.stack[0].entries:
            return
        self.result.marked = True
        self.result.head = self._taken()
        self.breaks = 0

    def _taken(self) -> list[Comment]:
        comments, self.pending = self.pending, []
        return comments

    # -- events --------------------------------------------------------------------------------------------------

    def _scalar(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        source = self.text[start:end]
        if event.style in ("|", ">"):
            source = "\n".join(content_lines(source, event.value))
            end = start + len(source)
        scalar = Scalar(event.value, event.style or "", source)
        parent = self.stack[-1]
        if parent.mapping and self.open is None:
            self._entry(scalar)
        else:
            if self.open is not None and self.open.key is not None and not scalar.source:
                self.open.colon = ":" in self.text[self.key_end : start]
            self.last = self._put(scalar)
        if source:
            self.breaks = 0
            self.at = max(end, self.at)
        if parent.mapping and self.open is not None:
            self.key_end = end

    def _entry(self, key: Scalar | None) -> Entry:
        """Begin an entry of the innermost collection."""
        parent = self.stack[-1]
        if self.dashed is not None:
            blank, before, head = self.dashed
            self.dashed = None
        else:
            blank, before, head = self.breaks > 1, self._taken(), []
        entry = Entry(key, _NOTHING, before, head, [], blank)
        parent.entries.append(entry)
        self.open = entry if key is not None else None
        self.opened = None
        return entry

    def _put(self, value: Node) -> Entry:
        """Set the value of the open entry. An item of a list begins with its value."""
        entry = self.open or self._entry(None)
        entry.value = value
        self.open = None
        return entry

    def _start(self, event: Any) -> None:
        mark = event.start_mark
        flow = bool(event.flow_style)
        braces = flow and self.text[mark.index] in "[{"
        collection = Collection(isinstance(event, ev.MappingStartEvent), flow, braces, mark.column)
        outer = self.stack[-1]
        collection.indentless = not collection.mapping and not flow and outer.mapping and outer.column == mark.column
        self._put(collection)
        self.stack.append(collection)
        if braces:
            self.at, self.breaks = mark.index + 1, 0
            self.opened = collection

    def _end(self, event: Any) -> None:
        collection = self.stack.pop()
        self.opened = None
        if collection.braces:
            collection.tail += self._taken()
            self.at, self.breaks = event.end_mark.index, 0
        elif not collection.flow:
            least = collection.column + collection.indentless
            count = next((k for k, c in enumerate(self.pending) if c.column < least), len(self.pending))
            collection.tail += self.pending[:count]
            self.pending = self.pending[count:]
        if collection.braces:
            self.last = self.stack[-1].entries[-1]


def content_lines(source: str, value: str) -> Iterator[str]:
    """The lines of a block scalar, header first. Empty lines after its end are left out, unless they are part of it."""
    header, *lines = source.split("\n")
    yield header
    depth = content_indent(lines, value)
    if "+" not in header.partition("#")[0]:
        while lines and len(lines[-1]) <= depth and not lines[-1].strip():
            lines.pop()
    elif lines and not lines[-1].strip():
        lines.pop()  # the beginning of the line after it
    yield from lines


def content_indent(lines: Iterable[str], value: str) -> int:
    """The indentation of the content of a block scalar."""
    line = next((line for line in lines if line.strip()), "")
    first = next((row for row in value.split("\n") if row.strip()), "")
    return (len(line) - len(line.lstrip(" "))) - (len(first) - len(first.lstrip(" ")))
