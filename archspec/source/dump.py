"""Plain data → YAML text that `parse` reads back to the same data.

PyYAML's dumper follows YAML 1.1, so it would leave the text `1e3` unquoted, which YAML 1.2 reads as a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from archspec.source.repair import unbalanced
from archspec.source.scalars import resolve

_WIDTH: Final = 110
_BARE: Final = r"[^\W\d]\w*(?:[./-]\w+)*"  # names and paths
_EXPRESSION: Final = r"\$\(?[\w.+*/%<>=!() -]*"  # has no special meaning in YAML


def dump(data: Any) -> str:
    """The text of plain data. A short collection is on one line, a longer one has a line for each item."""
    top = _mapping(data, "") if isinstance(data, dict) and data else _block(data, "", "")
    return "\n".join(top) + "\n"


def _block(value: Any, head: str, space: str) -> Iterator[str]:
    """The lines of a value after its key or dash. `space` indents the lines after the first."""
    line = head + _flow(value)
    if not isinstance(value, (dict, list)) or not value or len(line) <= _WIDTH:
        yield line
        return
    if head:
        yield head.rstrip()
    if isinstance(value, dict):
        yield from _mapping(value, space)
        return
    for item in value:
        if isinstance(item, dict) and (len(item) == 1 or len(f"{space}- {_flow(item)}") > _WIDTH):
            first, *rest = _mapping(item, space + "  ")
            yield f"{space}- {first.lstrip()}"
            yield from rest
        else:
            yield from _block(item, f"{space}- ", space + "  ")


def _mapping(value: dict[str, Any], space: str) -> Iterator[str]:
    for key, item in value.items():
        yield from _block(item, f"{space}{_text(key)}: ", space + "  ")


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
