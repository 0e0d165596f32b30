"""Where in a Python file a model was made, as the place of a mistake."""

from __future__ import annotations

import ast
import linecache
import os
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from types import CodeType
from typing import NamedTuple

from archspec.diagnostics import SourceSpan
from archspec.source.document import Path

_Ends = dict[tuple[int, int], ast.Call]  # the line and the byte after its last character → a call


class Origin(NamedTuple):
    """The call that made a model: its code, and the instruction there. The file is read only for a mistake."""

    code: CodeType
    instruction: int

    def span(self, path: Path = ()) -> SourceSpan:
        """The place of the value at `path` in the model's data, as far as the call writes it out; else of the call.

        Without a readable file it has no text and the length 0.
        """
        name = self.code.co_filename
        line, end, _, end_column = next(islice(self.code.co_positions(), self.instruction // 2, None))
        linecache.checkcache(name)
        lines = linecache.getlines(name)
        first = line or self.code.co_firstlineno
        if not first <= len(lines):
            return SourceSpan(_shown(name), first, 1, 0, "")
        call = _calls("".join(lines)).get((end or 0, end_column or 0))
        if call is None:
            text = lines[first - 1].rstrip()
            indent = len(text) - len(text.lstrip())
            return SourceSpan(_shown(name), first, indent + 1, max(1, len(text) - indent), text)
        return _span(_in_call(call, path), _shown(name), lines)


def nearest_span(origins: Mapping[Path, Origin], path: Path) -> SourceSpan | None:
    """The place of the value at `path`, by the innermost model around it. None if no constructor made any."""
    for k in range(len(path), -1, -1):
        if path[:k] in origins:
            return origins[path[:k]].span(path[k:])
    return None


def _shown(name: str) -> str:
    """The file's name, relative to the working directory if it lies below it."""
    here = os.path.join(os.getcwd(), "")  # noqa: PTH109, PTH118 (a name such as `<stdin>` is no path)
    return name.removeprefix(here)


@lru_cache(maxsize=8)
def _calls(text: str) -> _Ends:
    """The calls of a file; none if it is not the Python that runs, as where it has changed to something broken."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {(call.end_lineno or 0, call.end_col_offset or 0): call for call in calls}


def _in_call(call: ast.Call, path: Path) -> ast.expr:
    """The argument that holds the value at `path`: of the model of a section, a layer, a block or an op."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if path and path[0] in given:  # `stages=…`, `repeat=…`
        return _in_literal(given[str(path[0])], path[1:])
    if path and path[0] == "from" and "from_" in given:
        return given["from_"]
    rest = path[1:]  # without the kind of the layer
    if rest and rest[0] in given:
        return _in_literal(given[str(rest[0])], rest[1:])
    kind = given.get("kind")
    if rest and isinstance(kind, ast.Call):  # `Layer(kind=Conv2d(kernel_size=…))`
        fields = {keyword.arg: keyword.value for keyword in kind.keywords}
        if rest[0] in fields:
            return _in_literal(fields[str(rest[0])], rest[1:])
    for key in ("args", "branches"):
        if path and key in given:
            found = _in_literal(given[key], rest)
            if found is not given[key] or key == "args":
                return found
    return call


def _in_literal(value: ast.expr, path: Path) -> ast.expr:
    """The part of a literal at `path`, as far as it is written out."""
    while path:
        step, found = path[0], None
        if isinstance(value, ast.Dict):
            found = next((item for key, item in zip(value.keys, value.values, strict=True)
                          if isinstance(key, ast.Constant) and key.value == step), None)
        elif isinstance(value, (ast.List, ast.Tuple)) and isinstance(step, int) and step < len(value.elts):
            plain = not any(isinstance(item, ast.Starred) for item in value.elts[: step + 1])
            found = value.elts[step] if plain else None
        if found is None:
            break
        value, path = found, path[1:]
    return value


def _span(node: ast.expr, name: str, lines: list[str]) -> SourceSpan:
    """The place of a node on its first line. Python counts columns in bytes of UTF-8."""
    text = lines[node.lineno - 1].rstrip()
    raw = text.encode()
    start = len(raw[: node.col_offset].decode(errors="ignore"))
    one_line = node.end_lineno == node.lineno
    end = len(raw[: node.end_col_offset].decode(errors="ignore")) if one_line else len(text)
    return SourceSpan(name, node.lineno, start + 1, max(1, end - start), text)
