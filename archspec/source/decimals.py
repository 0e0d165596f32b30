"""Numbers with a decimal comma, which YAML's flow style splits: `{lr: 0,1}` has the keys `lr` and `1`."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from archspec.source.document import Node

_LONGEST = 24  # digits of a part
_WHOLE = re.compile(rf"[-+]?[0-9]{{1,{_LONGEST}}}")
_FRACTION = re.compile(rf"[0-9]{{1,{_LONGEST}}}(?:[eE][-+]?[0-9]{{1,3}})?")
_END = re.compile(r"\s*[,}]")


class Split(NamedTuple):
    """A number that was read as two entries. data, key: where its first part is. node: the place of that part."""

    data: dict[str, Any]
    key: str
    node: Node


def split_number(data: Any, places: Any, text: str, start: int, end: int) -> Split | None:
    """What text[start:end], a plain scalar after a comma in a flow collection, continues; None if nothing.

    data, places: the entries of the collection before it. In `{lr: 0,1}` it is a key without a value; in
    `[dropout: 0,5]` it follows a pair. In `[0,5]` it is an entry.
    """
    if not text[start - 2].isdigit() or not _FRACTION.fullmatch(text, start, end):
        return None
    if type(data) is list:
        if not data or type(data[-1]) is not dict:
            return None
        data, places = data[-1], places[-1].items
    elif not _END.match(text, end):
        return None
    key = next(reversed(data), None)
    if key is None or type(data[key]) is not int:
        return None
    node: Node = places[key][1]
    length = node.end_column - node.column
    whole = _WHOLE.fullmatch(text, start - 1 - length, start - 1) if node.end_line == node.line else None
    return None if whole is None else Split(data, key, node)
