"""Helpers for messages: plurals, lists of names, the nearest name, and line wrapping."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_WORDS = re.compile(r"(\s*)((?:`[^`]*`|\S)+)")
_HISSING = ("s", "x", "sh", "tch", "nch")  # endings that take -es; not "ch", as in `epoch`


def wrapped(line: str, width: int, indent: int = 0) -> str:
    """Wrap a line at spaces to at most `width` characters. Text in backticks, and a longer word, stay whole.

    indent: the indentation of all lines but the first.
    """
    if len(line) <= width:
        return line
    lines, current = [], ""
    for gap, word in _WORDS.findall(line):
        if current and len(current) + len(gap) + len(word) > width:
            lines.append(current)
            current = " " * indent + word
        else:
            current += gap + word
    return "\n".join([*lines, current])


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most similar to `name`, or None if none is close."""
    candidates = {k.lower(): k for k in sorted(known, reverse=True)}
    found = difflib.get_close_matches(name.lower()[:80], candidates, n=1, cutoff=0.7)
    return candidates[found[0]] if found else None


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 spec`, `1,200 specs`, `2 libraries`, `3 classes`."""
    if nouns is None:
        stem, ending = (noun[:-1], "ies") if noun.endswith("ry") else (noun, "es" if noun.endswith(_HISSING) else "s")
        nouns = stem + ending
    return f"{number:,} {noun if number == 1 else nouns}"


def one_line(text: str) -> str:
    """The text with line breaks escaped, which a file's name may contain."""
    return text.replace("\n", "\\n").replace("\r", "\\r")


def shortened(text: str, limit: int = 60) -> str:
    """The text on one line, cut to at most `limit` characters."""
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else "·" for c in text)


def path_text(path: tuple[str | int, ...]) -> str:
    """A place in data: `stages.b1[0].conv2d`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{shortened(step)}" for step in path)
    return "".join(steps).lstrip(".")


def listing(names: Iterable[str], limit: int = 12) -> str:
    """`a, b, c, …` for a message."""
    ordered = list(names)
    shown = ", ".join("".join(c if c.isprintable() else "·" for c in name) for name in ordered[:limit])
    return shown + (", …" if len(ordered) > limit else "") if ordered else "none"
