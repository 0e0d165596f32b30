"""Repairs broken YAML syntax, so that the rest of a text can be read in the same run.

Each repair is a few edits of lines. The likeliest are tried first, and the one with which the parser gets furthest is
used. If none helps, the unreadable part is removed: a value, a line with the lines indented under it, the stage or
block around it, or a section.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from archspec.source.mending.brackets import flow, list_in_line, open_above, open_before, stray
from archspec.source.mending.change import Change, Mend
from archspec.source.mending.colons import colon_space, key_colon, no_colon, second_colon
from archspec.source.mending.indentation import indentation, tabs
from archspec.source.mending.quotes import close_quote, escape, in_quotes
from archspec.source.mending.removing import directive, holes, unusable
from archspec.source.syntax import Fault

__all__ = ["Change", "Mend", "holes", "mends"]


def mends(rule: str, fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Edits for a fault that this rule reported at line and column (from 0), the likeliest first."""
    ways = _WAYS.get(rule)
    if ways is not None and line < len(fault.lines):
        yield from ways(fault, line, column)


_WAYS: Final[dict[str, Callable[[Fault, int, int], Iterator[Mend]]]] = {
    "tab": tabs, "directive": directive, "quote": close_quote, "long_quote": close_quote, "escape": escape,
    "first_char": in_quotes, "anchor": unusable, "tag": unusable, "second_colon": second_colon,
    "list_in_line": list_in_line, "flow": flow, "no_colon": no_colon, "unexpected_colon": colon_space,
    "nothing": stray, "no_opener": open_before, "bracket_after_key": key_colon, "open_above": open_above,
    "indent": indentation,
}
