"""The lines around a fault: indentation, keys, and where content ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from archspec.source.brackets import bare
from archspec.source.syntax import Fault

MAX_LINES: Final = 2_000  # the longest part that is searched
KEY: Final = re.compile(r"( *(?:- +)*)([^\s#\"'\[{][^#\"'\[{]*?|\"[^\"]*\"|'[^']*') *:(?= |$)")


def indent(text: str) -> int:
    """The number of spaces that a line begins with."""
    return len(text) - len(text.lstrip(" "))


def with_text(fault: Fault, line: int) -> int:
    """This line, or the last one before it that is not blank."""
    line = min(line, len(fault.lines) - 1)
    while line and not fault.lines[line].strip():
        line -= 1
    return line


def parents(fault: Fault, line: int) -> Iterator[int]:
    """The lines of the keys above, each less indented than the one before."""
    depth = indent(fault.lines[line])
    for k in range(line - 1, max(-1, line - MAX_LINES), -1):
        text = fault.lines[k]
        if text.strip() and indent(text) < depth and not text.lstrip().startswith("#"):
            depth = indent(text)
            yield k


def content_end(text: str) -> int:
    """The end of a line's content, before the comment and the space in front of it."""
    comment = re.search(r"(?:^|\s)#", bare(text))
    return len(text[: comment.start() if comment else len(text)].rstrip())
