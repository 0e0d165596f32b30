"""Hints that are edits of the text: the words, and what to replace, so that a program can do what they say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from archspec.diagnostics import Edit, Hint, SourceSpan
from archspec.diagnostics.hints import PutBefore, Remedy, RemoveLayer, SetFields, WriteLayer, WriteOp

if TYPE_CHECKING:
    from archspec.language.syntax import At
    from archspec.source.document import Node

def moved(hint: str, at: At) -> str:
    """The hint of a mistake at `at`, for one that is shown elsewhere."""
    edit = at.edit(hint.own) if isinstance(hint, Hint) and hint.own is not None else None
    return hint if edit is None else Hint(str(hint), None, (edit,), safe=isinstance(hint, Hint) and hint.safe)


def removed(words: str, at: At, *, safe: bool = False) -> Hint:
    """The hint to remove a value with its key or dash, and the comma beside it in flow style."""
    return Hint(words, None, _removal(at), safe=safe)


def identity(at: At) -> Hint:
    """The hint to write `[]` where nothing is written."""
    edit = at.edit("[]")
    return Hint("write `[]` for the identity", None, () if edit is None else (edit,))


def wrapped(at: At, key: str) -> Hint:
    """The hint to write a key before the list at `at`."""
    node, span = at.document.node(at.path), at.span()
    if node is None or span is None:
        return Hint(f"write `{key}[…]`")
    start = key if node.end_line >= 0 else f"{key.rstrip()}\n{' ' * node.column}"
    return Hint(f"write `{key}[…]`", None, (_insertion(span, span.column, start),), safe=True)


def around(words: str, at: At, start: str, end: str) -> Hint:
    """The hint to write something before and after the value at `at`."""
    span, node = at.span(), _node(at, at.path)
    if span is None or node is None or node.end_line != node.line:
        return Hint(words)
    after = _insertion(span, span.column + span.length, end)
    return Hint(words, None, (_insertion(span, span.column, start), after))


def listed_stages(words: str, at: At) -> str:
    """The hint for a list where stages belong: its layers become a stage, or its items, if they are stages already."""
    raw, node, span = at.value(), _node(at, at.path), at.span()
    if not isinstance(raw, list) or not raw or node is None or span is None:
        return words
    if all(isinstance(item, dict) and len(item) == 1 and _is_body(*item.values()) for item in raw):
        spans = [(at / k).span() for k in range(len(raw))]
        dashed = [one for one in spans if one is not None and one.text[one.column - 3 : one.column - 1] == "- "]
        if node.end_line >= 0 or len(dashed) < len(raw) or len({one.column for one in dashed}) > 1:
            return words
        return Hint("write the stages without dashes", None, tuple(
            Edit(SourceSpan(one.path, one.line, one.column - 2, 2, one.text), "  ") for one in dashed
        ))
    if node.end_line == node.line:
        return around("give the stage a name: `stages: {main: […]}`", at, "{main: ", "}")
    if node.end_line >= 0 or not node.column:
        return words
    line = _insertion(span, span.column, f"main:\n{' ' * node.column}")
    return Hint("give the stage a name: `main:` before the list", None, (line,))


def _is_body(value: object) -> bool:
    """Whether a value is a list of layers, and not one of an op's fields."""
    return isinstance(value, list) and any(isinstance(item, (str, dict)) for item in value)


def whole(words: str, at: At, text: str) -> Hint:
    """The hint to write `text` for a key together with its value, or for the item of a list."""
    start, end = at.span(key=True), at.extent()
    if start is None or end is None or start.line != end.line or end.line != last_line(at) + 1:
        return Hint(words)
    length = end.column + end.length - start.column
    return Hint(words, None, (Edit(SourceSpan(start.path, start.line, start.column, length, start.text), text),))


def before(words: str, at: At, item: str) -> Hint:
    """The hint to put an item before the one at `at`, in the list that holds it."""
    span = at.span()
    holder = None if not at.path else _node(at, at.path[:-1])
    if span is None or holder is None or not isinstance(holder.items, list):
        return Hint(words)
    flow = holder.end_line >= 0
    text = f"{item}, " if flow else f"{item}\n{' ' * holder.column}- "
    return Hint(words, None, (_insertion(span, span.column, text),))


def field(words: str, at: At, name: str, text: str, main: str | None = None) -> Hint:
    """The hint to give the field `name` of the mapping at `at` the value `text`, written already or not.

    main: the field that the value at `at` is, where it is no mapping.
    """
    node, span = _node(at, at.path), at.span()
    if node is None or span is None or at.on_key:
        return Hint(words)
    raw = at.value()
    if "$" in str(raw.get(name, "") if isinstance(raw, dict) else raw):  # decided elsewhere, perhaps for others too
        return Hint(words)
    if not isinstance(node.items, dict):
        if main is None or main == name or node.end_line != node.line or at.value() is None:
            return Hint(words, text if main == name else None)
        value = span.text[span.column - 1 : span.column - 1 + span.length]
        return Hint(words, None, (Edit(span, f"{{{main}: {value}, {name}: {text}}}"),))
    if name in node.items:
        edit = (at / name).edit(text)
        return Hint(words) if edit is None else Hint(words, None, (edit,))
    if node.end_line < 0:
        return Hint(words, None, (_insertion(span, span.column, f"{name}: {text}\n{' ' * node.column}"),))
    shift = 1 if span.text[span.column - 1 : span.column] == "{" else 0
    item = f"{name}: {text}, " if node.items else f"{name}: {text}"
    return Hint(words, None, (_insertion(span, span.column + shift, item),))


def appended(words: str, at: At, items: tuple[str, ...]) -> Hint:
    """The hint to put `items` at the end of the body at `at`: a list, or one layer."""
    node, span = _node(at, at.path), at.span()
    if node is None or span is None:
        return Hint(words)
    if isinstance(node.items, list) and node.end_line < 0:
        line = last_line(at)
        text = at.document.lines[line]
        end = SourceSpan(span.path, line + 1, len(text) + 1, 0, text)
        return Hint(words, None, (Edit(end, "".join(f"\n{' ' * node.column}- {item}" for item in items)),))
    if node.end_line != node.line:
        return Hint(words)
    added = ", ".join(items)
    if isinstance(node.items, list):
        comma = ", " if node.items else ""
        return Hint(words, None, (_insertion(span, span.column + span.length - 1, comma + added),))
    return around(words, at, "[", f", {added}]")


def of_op(words: str | None, at: At, head: At, layer: At, main: str | None = None) -> str | None:
    """What an op's rule hints at, as an edit of its fields at `at`, its name at `head`, or the whole layer.

    main: the field that a plain argument is.
    """
    if not isinstance(words, Remedy):
        return words
    span, text = head.span(), str(words)
    match words:
        case SetFields():
            return fields(text, at, words.values, main)
        case WriteOp() if span is not None:
            return Hint(text, None, (Edit(span, words.op),))
        case WriteLayer():
            return whole(text, layer, words.layer)
        case RemoveLayer():
            return removed(text, layer)
        case PutBefore():
            return before(text, layer, words.op)
    return Hint(text)


def fields(words: str, at: At, values: tuple[tuple[str, str], ...], main: str | None) -> Hint:
    """The hint to give several fields their values: all in one edit, or none."""
    hints = [field(words, at, name, value, main) for name, value in values]
    if len(hints) == 1:
        return hints[0]
    edits = [edit for hint in hints for edit in hint.edits]
    apart = len({(edit.span.line, edit.span.column) for edit in edits}) == len(hints) == len(edits)
    return Hint(words, None, tuple(edits) if apart else ())


def _insertion(span: SourceSpan, column: int, text: str) -> Edit:
    return Edit(SourceSpan(span.path, span.line, column, 0, span.text), text)


def _node(at: At, path: tuple[str | int, ...]) -> Node | None:
    return at.document.node(path)


def last_line(at: At) -> int:
    """The last line (from 0) of the value at `at`."""
    waiting, last = [_node(at, at.path)], 0
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        last = max(last, node.line, node.end_line)
        items = node.items
        waiting += items if isinstance(items, list) else [n for pair in (items or {}).values() for n in pair]
    return last


def _removal(at: At) -> tuple[Edit, ...]:
    start, holder, document = at.span(key=True), _node(at, at.path[:-1]) if at.path else None, at.document
    if start is None or holder is None:
        return ()
    last = last_line(at)
    if holder.end_line < 0:  # whole lines
        edits = []
        for k in range(start.line - 1, last + 1):
            text = document.lines[k]
            before_it = text[: start.column - 1] if k == start.line - 1 else ""
            if before_it.strip(" -"):
                return ()
            keep = before_it if isinstance(holder.items, dict) and before_it.strip() else ""
            column = len(keep)
            edits.append(Edit(SourceSpan(start.path, k + 1, column + 1, len(text) - column, text), ""))
        return tuple(edits)
    value = at.extent()
    if value is None or last != start.line - 1 or value.line != start.line:
        return ()
    text, first, end = start.text, start.column - 1, value.column - 1 + value.length
    if follows := re.compile(r"\s*,\s*").match(text, end):
        end = follows.end()
    elif precedes := re.search(r"\s*,\s*$", text[:first]):
        first = precedes.start() + text[: precedes.start()].endswith(":")  # `{relu: , name: x}` keeps its space
    return (Edit(SourceSpan(start.path, start.line, first + 1, end - first, text), ""),)
