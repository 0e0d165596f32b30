"""Words of messages: plurals, lists of names, the name that was probably meant, and lines of a width."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_WORDS = re.compile(r"(\s*)((?:`[^`]*`|\S)+)")


def wrapped(line: str, width: int, indent: int = 0) -> str:
    """One line as several of at most `width` characters, broken at spaces; what stands in backticks stays whole.

    indent: of all but the first line. A word that is longer than a line stays whole too.
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
    """The known name that `name` most likely stands for, or None where none is close."""
    candidates = {k.lower(): k for k in sorted(known, reverse=True)}
    found = difflib.get_close_matches(name.lower()[:80], candidates, n=1, cutoff=0.7)
    return candidates[found[0]] if found else None


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 spec`, `1,200 specs`, `2 libraries`."""
    if nouns is None:
        nouns = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else nouns}"


def one_line(text: str) -> str:
    """The text with its line breaks written out: a file's name may hold some."""
    return text.replace("\n", "\\n").replace("\r", "\\r")


def shortened(text: str, limit: int = 60) -> str:
    """The text short enough for a message, and on one line."""
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
