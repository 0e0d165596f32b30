"""The tree of a text → its lines in the canonical layout.

Flow collections that fit stay on one line; the others become block collections, and long lists of plain values are
filled over several lines. Block collections stay as they are. Formatting the result again does not change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Final

from archspec.source.layout.scalars import block_text, folded, key_text, one_line
from archspec.source.layout.tree import Collection, Comment, Entry, Node, Scalar, Text

WIDTH: Final = 120
_STEP: Final = 2
_LONG_KEY: Final = 1_000  # characters; YAML requires a `?` before a longer key


@dataclass(slots=True)
class _Line:
    """A line, and the comment at its end."""

    text: str
    comment: Comment | None = None

    def __str__(self) -> str:
        return f"{self.text} {self.comment.text}" if self.comment else self.text


class Printer:
    """Prints one text."""

    def __init__(self) -> None:
        self.lines: list[_Line] = []
        self.first: str | None = None  # the start of the next line, instead of its indentation

    def print(self, text: Text) -> str:
        """The whole text."""
        self._comments(text.head, 0)
        if text.marked:
            self._add("---", 0)
        root = text.root
        above = [*root.before, *root.head]
        if isinstance(root.value, Collection) and root.value.entries:
            self._entries(root.value, 0, [*above, *root.value.opening])
            self._comments(root.after, 0)
        else:
            own = [*root.value.comments()] if isinstance(root.value, Collection) else []
            self._comments([*above, *own], 0)
            self._scalar_or_short("", root.value, 0)
            self._comments(root.after, 0)
        return "".join(f"{line}\n" for line in self._aligned())

    # -- lines -----------------------------------------------------------------------------------------------------

    def _add(self, text: str, indent: int, comment: Comment | None = None) -> None:
        start = " " * indent if self.first is None else self.first
        self.first = None
        self.lines.append(_Line(f"{start}{text}".rstrip(" "), comment))

    def _blank(self) -> None:
        if self.lines and self.first is None and str(self.lines[-1]):
            self.lines.append(_Line(""))

    def _comments(self, comments: list[Comment], indent: int) -> None:
        for comment in comments:
            if comment.blank:
                self._blank()
            self._add(comment.text, indent)

    def _aligned(self) -> list[str]:
        """All lines. Comments of neighbouring lines that were aligned are aligned again."""
        for column, lines in groupby(self.lines, lambda line: line.comment and line.comment.column):
            group = list(lines)
            if column is not None and any(line.comment and line.comment.gap > 1 for line in group):
                width = max(len(line.text) for line in group)
                for line in group:
                    line.text = line.text.ljust(width)
        return [str(line) for line in self.lines]

    # -- collections -----------------------------------------------------------------------------------------------

    def _entries(self, collection: Collection, indent: int, above: list[Comment]) -> None:
        """The items of a collection, one below the other. above: comments that belong before the first one."""
        for k, entry in enumerate(collection.entries):
            before = [*above, *entry.before] if k == 0 else entry.before
            self._entry(entry, indent, before, is_first=k == 0)
        self._comments(collection.tail, indent)

    def _entry(self, entry: Entry, indent: int, before: list[Comment], *, is_first: bool) -> None:
        head, after = list(entry.head), list(entry.after)
        opens = isinstance(entry.value, Collection) and not self._fits(entry, indent)
        if isinstance(entry.value, Collection) and not entry.value.entries:
            head += entry.value.comments()
        elif isinstance(entry.value, Collection):
            head += entry.value.opening
        kept = head[:1] if head and not head[0].own and (opens or not after) else []
        moved = head[len(kept) :]
        above = moved if opens and (entry.key is not None or kept) else []
        if not above:
            before = [*before, *moved]
        behind_dash = self.first is not None  # the first of these comments goes there
        for k, comment in enumerate(before):
            if comment.blank and not (behind_dash or (is_first and k == 0)):
                self._blank()
            self._add(comment.text, indent)
        if entry.blank and not (behind_dash or (is_first and not before)):
            self._blank()
        self._value(entry, indent, [*kept, *after], above, opens=opens)

    def _value(
        self, entry: Entry, indent: int, comments: list[Comment], above: list[Comment], *, opens: bool
    ) -> None:
        comment, rest = (comments[0], comments[1:]) if comments else (None, [])
        label = _label(entry)
        if len(label) > _LONG_KEY:
            self._add(f"? {label[:-1]}", indent)
            label = ":"
        value = entry.value
        if opens and isinstance(value, Collection):
            if value.flow and (rows := self._filled(value, label, indent)):
                self._add(rows[0], indent)
                for row in rows[1:]:
                    self._add(row, indent + _STEP)
                self.lines[-1].comment = comment
            elif entry.key is None and comment is None:
                self.first = (" " * indent if self.first is None else self.first) + "- "
                self._entries(value, indent + _STEP, above)
            else:
                self._add(label, indent, comment)
                self._entries(value, indent + _STEP, above)
        else:
            self._scalar_or_short(label, value, indent, comment)
        self._comments(rest, indent)

    def _scalar_or_short(self, label: str, value: Node, indent: int, comment: Comment | None = None) -> None:
        """Print a value on the line of its label. A text of several lines continues below it."""
        text = flow(value)
        joined = f"{label} {text}" if label and text else label + (text or "")
        if not joined:  # an empty text
            return
        if isinstance(value, Collection) or (text is not None and _stays(value, joined, indent)):
            self._add(joined, indent, comment)
        elif value.style in ("|", ">"):
            header, own, lines = block_text(value)
            if own:
                comment = Comment(own, -1, 1, False)
            self._add(f"{label} {header}".lstrip(), indent, comment)
            for line in lines:
                self.lines.append(_Line(" " * (indent + _STEP if label else _STEP) + line if line else ""))
        else:
            first, *lines = folded(value)
            self._add(f"{label} {first}".lstrip(), indent)
            for line in lines:
                self._add(line, indent + _STEP if line else 0)
            self.lines[-1].comment = comment

    def _fits(self, entry: Entry, indent: int) -> bool:
        """Whether the entry's collection fits on one line."""
        value = entry.value
        assert isinstance(value, Collection)
        if not value.entries:
            return True
        if not value.flow or not value.braces or next(value.comments(), None) is not None:
            return False
        text = flow(value)
        return text is not None and indent + len(_label(entry)) + 1 + len(text) <= WIDTH

    def _filled(self, value: Collection, label: str, indent: int) -> list[str]:
        """The lines of a long list of plain values, as many on each as fit. Empty for any other value."""
        if value.mapping or next(value.comments(), None) is not None:
            return []
        if not all(isinstance(entry.value, Scalar) for entry in value.entries):
            return []
        words = [flow(entry.value) for entry in value.entries]
        if None in words:
            return []
        rows = [f"{label} [{words[0]}"]
        for word in filter(None, words[1:]):
            if indent + _STEP * (len(rows) > 1) + len(rows[-1]) + len(word) + 3 > WIDTH:
                rows[-1] += ","
                rows.append(word)
            else:
                rows[-1] += f", {word}"
        rows[-1] += "]"
        return rows


def flow(node: Node) -> str | None:
    """The node on one line, or None if it needs several."""
    if isinstance(node, Scalar):
        return one_line(node)
    parts = []
    for entry in node.entries:
        text = flow(entry.value)
        if text is None:
            return None
        key = key_text(entry.key) if entry.key is not None else ""
        key, colon = (f"? {key}", " :") if len(key) > _LONG_KEY else (key, ":")
        parts.append(text if entry.key is None else f"{key}{colon} {text}" if entry.colon else key)
    whole = ", ".join(parts)
    if not node.braces:
        return whole
    return f"{{{whole}}}" if node.mapping else f"[{whole}]"


def _label(entry: Entry) -> str:
    """The text before a value: its key or dash."""
    return "-" if entry.key is None else f"{key_text(entry.key)}:"


def _stays(value: Node, line: str, indent: int) -> bool:
    """Whether a scalar stays on one line: always, if its author wrote it so."""
    assert isinstance(value, Scalar)
    return "\n" not in value.source or indent + len(line) <= WIDTH
