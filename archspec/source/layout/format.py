"""Text → the same text in the canonical layout. Its meaning never changes."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Final

from archspec.diagnostics import SpecError, error
from archspec.source.document import DEFAULT_LIMITS, Document, Limits
from archspec.source.layout.printer import WIDTH, Printer
from archspec.source.layout.read import Reader
from archspec.source.layout.tree import Text
from archspec.source.load import events_of, parse

__all__ = ["WIDTH", "formatted"]

_BOM: Final = "\ufeff"


def formatted(text: str | bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> str:
    """The text as `archspec fmt` writes it. A byte order mark and the kind of line ends are kept.

    Raises SpecError if the text has syntax errors.
    """
    document = _without_mistakes(text, name, limits)
    written = text.decode("utf-8") if isinstance(text, bytes) else text
    tree = _tree("\n".join(document.lines))
    laid_out = Printer().print(tree)
    if len(laid_out.encode()) > limits.max_bytes:
        raise error("SPEC003", f"{name}: formatted, the text is larger than {limits.max_bytes:,} bytes",
                    hint="split it into libraries")
    _check(laid_out, document, tree, limits)
    if "\r\n" in written:
        laid_out = laid_out.replace("\n", "\r\n")
    return _BOM + laid_out if written.startswith(_BOM) else laid_out


def _without_mistakes(text: str | bytes, name: str, limits: Limits) -> Document:
    document = parse(text, name, limits)
    if document.errors:
        raise SpecError(document.errors)
    return document


def _tree(text: str) -> Text:
    head, rest = _directive(text)
    tree = Reader(rest).read(events_of(rest))
    for comment in tree.head:
        if head and comment.text == "#" + head[1:]:
            comment.text = head
            break
    return tree


def _directive(text: str) -> tuple[str, str]:
    """The `%YAML 1.2` at the top of a text, and the text with it as a comment, which every parser accepts."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("%"):
            lines[number] = "#" + line[1:]
            return line.rstrip(), "\n".join(lines)
        if line.strip() and not line.startswith("#"):
            break
    return "", text


def _check(laid_out: str, document: Document, tree: Text, limits: Limits) -> None:
    """Raise RuntimeError unless the new text has the data and the comments of the old one."""
    try:
        again = _without_mistakes(laid_out, document.name, limits)
        tree_again = _tree("\n".join(again.lines))
    except SpecError:
        same = False
    else:
        same = _equal(again.data, document.data) and _comments(tree_again) == _comments(tree)
    if not same:
        raise RuntimeError(f"{document.name}: formatting would change its meaning, so it is not changed")


def _comments(tree: Text) -> Counter[str]:
    return Counter(c.text for c in (*tree.head, *tree.root.comments()))


def _equal(a: Any, b: Any) -> bool:
    """Whether two values are the same, including key order, number types and NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(_equal(v, b[k]) for k, v in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b))
