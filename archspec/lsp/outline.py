"""The symbols of a text, for an editor's outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from archspec.lsp.cursor import extent
from archspec.lsp.snapshot import Snapshot
from archspec.lsp.text import Spot
from archspec.source.document import Node

_SECTIONS: Final = {  # section → the kind of its symbols
    "input": "variable", "vars": "variable", "blocks": "class", "stages": "module", "recipes": "object",
    "grid": "array", "zip": "array",
}
_SHOWN: Final = 60  # the most characters of a value


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named part of a text: its whole extent, and the place of its name."""

    name: str
    kind: str
    detail: str
    start: Spot
    end: Spot
    name_end: Spot
    children: tuple[Symbol, ...] = ()


def outline(snapshot: Snapshot) -> list[Symbol]:
    """The sections of a text and their symbols."""
    document = snapshot.document
    if document is None or document.root is None or not isinstance(document.root.items, dict):
        return []
    data = document.data if isinstance(document.data, dict) else {}
    symbols = []
    for name, (key, node) in document.root.items.items():
        inner: list[Symbol] = []
        if name in _SECTIONS and isinstance(node.items, dict):
            inner = [_symbol(n, _SECTIONS[name], data[name].get(n), *pair) for n, pair in node.items.items()]
        symbols.append(_symbol(name, "namespace" if inner else "property", data.get(name), key, node, tuple(inner)))
    return symbols


def _symbol(
    name: str, kind: str, value: Any, key: Node, node: Node, children: tuple[Symbol, ...] = ()
) -> Symbol:
    start, end = extent(node, key)
    detail = "" if isinstance(value, (dict, list)) else str(value)[:_SHOWN]
    return Symbol(name or '""', kind, detail, start, end, Spot(key.end_line, key.end_column), children)
