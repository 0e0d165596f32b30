"""Helpers for messages: plurals, lists of names, the nearest name, and line wrapping."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORDS = re.compile(r"(\s*)((?:`[^`]*`|\S)+)")
_DIGITS = re.compile(r"[0-9]")
_RIVALS = 12  # equally similar names that a hint lists
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


class Similar(str):
    """The known name that is most similar to a misspelt one.

    rivals: all names that are as similar, if there are several; then this is only the first of them.
    sure: it is the only one, and differs in more than its digits: `conv3` is probably not `conv2`.
    """

    __slots__ = ("rivals", "sure")
    rivals: tuple[str, ...]
    sure: bool

    def __new__(cls, found: Iterable[str], name: str) -> Similar:
        """Create it from the most similar names, at least one, and the misspelt one."""
        names = tuple(found)
        similar = super().__new__(cls, names[0])
        similar.rivals = names if len(names) > 1 else ()
        similar.sure = len(names) == 1 and not _differ_in_digits(name, names[0])
        return similar

    def prefixed(self, prefix: str) -> Similar:
        """The same names after a prefix, such as the folder of files."""
        other = Similar((prefix + name for name in self.rivals or (self,)), "")
        other.sure = self.sure
        return other

    def words(self, quote: str = "`") -> str:
        """What a hint says: ``a similar name exists: `relu` ``, or ``similar names: `enc1`, `enc2` ``."""
        if not self.rivals:
            return f"a similar name exists: {quote}{self}{quote}"
        return f"similar names: {listing(f'{quote}{name}{quote}' for name in self.rivals)}"


def _differ_in_digits(one: str, other: str) -> bool:
    """Whether the texts are different, but only in their digits."""
    return one != other and _DIGITS.sub("", one) == _DIGITS.sub("", other)


def nearest(name: str, known: Iterable[str]) -> Similar | None:
    """The known name that is most similar to `name`, with its rivals, or None if none is close.

    Similar names share most of their characters (difflib's ratio); of those that share equally many, the ones that take
    the fewest edits come first, and then those that begin alike.
    """
    from difflib import SequenceMatcher, get_close_matches  # only mistakes need it

    candidates: dict[str, list[str]] = {}
    for one in sorted(set(known)):
        candidates.setdefault(one.lower(), []).append(one)
    wanted = name.lower()[:80]
    found = get_close_matches(wanted, candidates, n=_RIVALS, cutoff=0.7)
    if not found:
        return None
    ratios = {one: SequenceMatcher(None, one, wanted).ratio() for one in found}
    best = [one for one in found if ratios[one] == ratios[found[0]]]
    if len(best) > 1:
        changes = {one: edits(one, wanted) for one in best}
        best = [one for one in best if changes[one] == min(changes.values())]
        best.sort(key=lambda one: (one[:1] != wanted[:1], one))
    return Similar((original for one in best for original in candidates[one]), name)


def edits(one: str, other: str) -> int:
    """How many characters one inserts, removes or replaces to make the other text (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for k, char in enumerate(one, 1):
        corner, row[0] = row[0], k
        for j, wanted in enumerate(other, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (char != wanted))
    return row[-1]


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
