"""Finds the value or key at a place of a text."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.lsp.text import Spot
from archspec.source.document import Document, Node, Path


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a document.

    path: the path of the innermost value around the place. on_key: whether the place is on that value's key.
    scalar: whether it is on the value's text. offset: the offset in the text of the key or scalar.
    """

    path: Path
    on_key: bool = False
    scalar: bool = False
    offset: int = 0


def cursor_at(document: Document | None, spot: Spot) -> Cursor:
    """The innermost value around a place; between two values, the collection that contains both."""
    path: Path = ()
    node = document.root if document is not None else None
    while node is not None:
        items = node.items
        if items is None:
            return Cursor(path, scalar=_within(node, spot), offset=spot.column - node.column)
        pairs = list(items.items()) if isinstance(items, dict) else [(k, (item, item)) for k, item in enumerate(items)]
        found = None
        for step, (key, value) in pairs:
            if (key.line, key.column) <= spot:
                found = step, key, value
        if found is None or (node.end_line >= 0 and (node.end_line, node.end_column) < spot):
            return Cursor(path)
        step, key, value = found
        if isinstance(step, str) and _within(key, spot):
            return Cursor((*path, step), on_key=True, offset=spot.column - key.column)
        if (value.line, value.column) > spot or (value.items is None and not _within(value, spot)):
            return Cursor((*path, step))
        path, node = (*path, step), value
    return Cursor(path)


def _within(node: Node, spot: Spot) -> bool:
    return (node.line, node.column) <= spot <= (node.end_line, node.end_column)


def extent(node: Node, key: Node | None = None) -> tuple[Spot, Spot]:
    """The start and end of a value with its key. A block collection ends with its last item."""
    start = key or node
    last = node
    while last.items:
        if last.end_line >= 0:
            break
        last = next(reversed(last.items.values()))[1] if isinstance(last.items, dict) else last.items[-1]
    end = max((last.end_line, last.end_column), (start.end_line, start.end_column))
    return Spot(start.line, start.column), Spot(*end)
