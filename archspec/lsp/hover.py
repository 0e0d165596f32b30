"""Hovers: docs of ops, fields, blocks and settings, values of names, shapes and costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from archspec.language.detect import Kind
from archspec.language.message_text import value_text
from archspec.language.occurrences import BLOCK, PARAM, VAR, Occurrence
from archspec.lower.values import ShapeView
from archspec.lsp.costs import described
from archspec.lsp.cursor import Cursor, cursor_at
from archspec.lsp.definition import named_at
from archspec.lsp.docs import block_docs, field_docs, op_docs
from archspec.lsp.schema_walk import place_at
from archspec.lsp.snapshot import Snapshot
from archspec.lsp.text import Spot
from archspec.lsp.values import value_of
from archspec.ops import OPS
from archspec.text import shape_text
from archspec.types import TensorType

_LAYERS: Final = ("stages", "blocks")


@dataclass(frozen=True, slots=True)
class Hover:
    """Markdown, and the line and columns that it describes."""

    text: str
    line: int
    start: int
    end: int


def hover(snapshot: Snapshot, spot: Spot) -> Hover | None:
    """The hover at a place, or None."""
    cursor = cursor_at(snapshot.document, spot)
    if snapshot.document is None or not cursor.path or not (cursor.on_key or cursor.scalar):
        return None
    span = snapshot.document.span(cursor.path, key=cursor.on_key)
    parts = [part for part in (_word(snapshot, spot, cursor), _flow(snapshot, cursor)) if part]
    if not parts or span is None:
        return None
    return Hover("\n\n---\n\n".join(parts), span.line - 1, span.column - 1, span.column - 1 + span.length)


def _word(snapshot: Snapshot, spot: Spot, cursor: Cursor) -> str:
    """Docs of the name at the place, or its value."""
    found = named_at(snapshot, spot)
    if found is not None and found.occurrence.kind in (VAR, PARAM, BLOCK):
        return _name(snapshot, found.occurrence)
    if found is not None and snapshot.program is not None and found.occurrence.name in snapshot.program.inputs:
        return _input(snapshot, found.occurrence.name)
    word = cursor.path[-1] if cursor.on_key else _at(snapshot.data, cursor.path)
    inner = cursor.path[:-1] if cursor.on_key else cursor.path
    if snapshot.kind is not Kind.SWEEP and cursor.path[0] in _LAYERS:
        op = _op_above(inner)
        if cursor.on_key and op is not None and word in OPS[op].model_fields:
            return field_docs(op, str(word))
        if isinstance(word, str) and word in OPS:
            return op_docs(word)
        block = snapshot.program.library.find(word) if snapshot.program is not None and isinstance(word, str) else None
        if block is not None:
            return block_docs(block)
    if isinstance(word, str) and word.startswith("$"):
        return _expression(snapshot, cursor, word)
    if not cursor.on_key:
        return ""
    keys = place_at(snapshot.kind, inner).keys
    return f"`{word}`: {keys[str(word)][0]}" if word in keys and keys[str(word)][0] else ""


def _op_above(path: tuple[str | int, ...]) -> str | None:
    """The op that has the field at a path."""
    return str(path[-1]) if path and path[-1] in OPS else None


def _name(snapshot: Snapshot, one: Occurrence) -> str:
    program = snapshot.program
    if program is None:
        return ""
    if one.kind == BLOCK:
        block = program.library.find(one.name)
        return block_docs(block) if block is not None else ""
    if one.kind == PARAM:
        block = program.library.find(one.owner)
        param = next((p for p in block.params if p.name == one.name), None) if block is not None else None
        if param is None:
            return ""
        what = f": {value_text(param.default)}" if param.required else f", default `{value_text(param.default)}`"
        return f"param `{one.name}` of `{one.owner}`{what}"
    if one.name not in program.library.vars:
        return ""
    raw, at = program.library.vars[one.name]
    text = f"var `{one.name}` = {_shown(snapshot, raw) or f'`{value_text(raw)}`'}"
    return text if at.document.name == str(snapshot.path) else f"{text}, from {at.document.name.rpartition('/')[2]}"


def _input(snapshot: Snapshot, name: str) -> str:
    """The shape of an input, and its numbers if they are integers."""
    graph = None if snapshot.loaded is None else snapshot.loaded.graph
    kind = next((port.type for port in graph.inputs if port.name == name), None) if graph is not None else None
    if kind is None:
        return f"input `{name}`"
    limit = "" if kind.below is None else f", integers from 0 to {kind.below - 1:,}"
    return f"input `{name}`: `{shape_text(kind.shape[1:])}`{limit}"


def _expression(snapshot: Snapshot, cursor: Cursor, text: str) -> str:
    """The value of an expression if it is the same in every use of the layer."""
    uses = snapshot.costs.at(str(snapshot.path), cursor.path) if snapshot.costs is not None else []
    entering = {use.entering for use in uses}
    shape = next(iter(entering.pop()), None) if len(entering) == 1 else None
    shown = _shown(snapshot, text, shape)
    return f"`{text}` = {shown}" if shown else ""


def _shown(snapshot: Snapshot, raw: Any, entering: tuple[int, ...] | None = None) -> str:
    """The value of a raw value. Empty if it depends on more than vars and the layer's input shape."""
    variables = snapshot.program.library.vars if snapshot.program is not None else {}
    names: dict[str, Any] = {name: value for name, (value, _) in variables.items()}
    if entering is not None:
        names["in"] = ShapeView(TensorType((1, *entering)))
    try:
        return f"`{value_text(value_of(raw, names))}`"
    except LookupError:
        return ""


def _flow(snapshot: Snapshot, cursor: Cursor) -> str:
    """The shapes of a layer, and its cost."""
    if len(cursor.path) < 2 or snapshot.costs is None:
        return ""
    if cursor.path[0] in ("expect", "outputs"):
        name = cursor.path[1] if isinstance(cursor.path[1], str) else _at(snapshot.data, cursor.path)
        uses = snapshot.costs.stages.get(str(name), [])
    else:
        uses = snapshot.costs.at(str(snapshot.path), cursor.path) if cursor.path[0] in _LAYERS else []
    text = described(uses)
    return f"{text}  \n(from the last version without mistakes)" if text and snapshot.loaded is None else text


def _at(data: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        data = data[step]
    return data
