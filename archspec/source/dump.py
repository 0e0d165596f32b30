"""Plain data → YAML text that `parse` reads back to the same data.

PyYAML's dumper follows YAML 1.1, so it would leave the text `1e3` unquoted, which YAML 1.2 reads as a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from archspec.source.document import Path
from archspec.source.repair import unbalanced
from archspec.source.scalars import resolve

_WIDTH: Final = 110
_BARE: Final = r"[^\W\d]\w*(?:[./-]\w+)*"  # names and paths
_EXPRESSION: Final = r"\$\(?[\w.+*/%<>=!() -]*"  # has no special meaning in YAML


def dump(data: Any, comments: Mapping[Path, str] | None = None) -> str:
    """The text of plain data. A short collection is on one line, a longer one has a line for each item.

    comments: texts by the places of values that lie in collections; each is written above its key or item.
    """
    writer = _Writer(comments or {})
    top = writer.mapping(data, "", ()) if isinstance(data, dict) and data else writer.block(data, "", "", ())
    return "\n".join(top) + "\n"


class _Writer:
    """Writes collections line by line. `space` indents all lines but the first."""

    def __init__(self, comments: Mapping[Path, str]) -> None:
        self.comments = comments
        self.open = {path[:k] for path in comments for k in range(len(path))}  # a comment needs lines of its own

    def block(self, value: Any, head: str, space: str, path: Path) -> Iterator[str]:
        """The lines of a value after its key or dash."""
        line = head + _flow(value)
        if not isinstance(value, (dict, list)) or not value or (len(line) <= _WIDTH and path not in self.open):
            yield line
            return
        if head:
            yield head.rstrip()
        if isinstance(value, dict):
            yield from self.mapping(value, space, path)
            return
        for k, item in enumerate(value):
            yield from self.comment((*path, k), space)
            yield from self.item(item, space, (*path, k))

    def item(self, item: Any, space: str, path: Path) -> Iterator[str]:
        """An item of a list with its dash."""
        is_open = path in self.open or len(f"{space}- {_flow(item)}") > _WIDTH
        if not isinstance(item, dict) or not item or (len(item) > 1 and not is_open):
            yield from self.block(item, f"{space}- ", space + "  ", path)
            return
        yield from self.comment((*path, next(iter(item))), space)
        first, *rest = self.mapping(item, space + "  ", path, first=False)
        yield f"{space}- {first.lstrip()}"
        yield from rest

    def mapping(self, value: dict[str, Any], space: str, path: Path, *, first: bool = True) -> Iterator[str]:
        """A line or more for each key; first: with the comment of the first key."""
        for k, (key, item) in enumerate(value.items()):
            if first or k:
                yield from self.comment((*path, key), space)
            yield from self.block(item, f"{space}{_text(key)}: ", space + "  ", (*path, key))

    def comment(self, path: Path, space: str) -> Iterator[str]:
        """The comment at a place."""
        for line in self.comments.get(path, "").splitlines():
            yield f"{space}# {line}".rstrip()


def _flow(value: Any) -> str:
    """The value on one line."""
    if isinstance(value, dict):
        return "{" + _pairs(value) + "}"
    if isinstance(value, list):  # `[conv2d: {…}]`: a mapping with one key needs no braces in a list
        return "[" + ", ".join(_pairs(v) if isinstance(v, dict) and len(v) == 1 else _flow(v) for v in value) + "]"
    return _text(value) if isinstance(value, str) else _constant(value)


def _pairs(mapping: dict[str, Any]) -> str:
    return ", ".join(f"{_text(key)}: {_flow(item)}" for key, item in mapping.items())


def _constant(value: bool | int | float | None) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else "-.inf" if value < 0 else ".inf"
    return str(value)


def _text(text: str) -> str:
    import json  # JSON strings are YAML strings; imported late, since few commands need it

    return text if may_be_bare(text) else json.dumps(text, ensure_ascii=False)


def may_be_bare(text: str) -> bool:
    """Whether a key or value needs no quotes, even inside brackets: a plain name, path or expression."""
    if not text.isascii():  # inside quotes, lookalike characters are not reported
        return False
    if re.fullmatch(_EXPRESSION, text):
        return not text.endswith(" ") and not unbalanced(text)
    return bool(re.fullmatch(_BARE, text)) and resolve(text) == text
