"""Brackets and quotes in lines of YAML."""

from __future__ import annotations

import re
from typing import Final

_PAIRS: Final = {"[": "]", "{": "}"}
_LOOKED: Final = 20_000  # characters


def bare(text: str) -> str:
    """The text with its quoted parts replaced by spaces; its length stays the same."""
    return re.sub(r"\"(?:\\.|[^\"\\])*\"|'[^']*'", lambda m: "x" * len(m[0]), text)


def open_brackets(text: str) -> list[str]:
    """The closing brackets that are missing at the end of a text, innermost last."""
    stack: list[str] = []
    for char in bare(text):
        if char in _PAIRS:
            stack.append(_PAIRS[char])
        elif stack and char == stack[-1]:
            stack.pop()
    return stack


def is_closed(text: str, opener: str, closer: str) -> bool:
    """Whether the bracket at the start of a text is closed in it. Quotes and comments are ignored."""
    depth = 0
    for char in re.sub(r"(?<=\s)#[^\n]*", "", bare(text[:_LOOKED])):
        depth += (char == opener) - (char == closer)
        if depth == 0:
            return True
    return False
