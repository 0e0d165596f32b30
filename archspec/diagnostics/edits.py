"""Applies fixes to a text: which of them are compatible, and what they replace.

An edit that leaves nothing on a line removes the line: `- relu` is removed with its line break.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from archspec.diagnostics.model import Edit, Fix


@dataclass(frozen=True, slots=True)
class Replacement:
    """Replace the text from `start` to `end` with `text`. Both are (line, column) from 0, in characters."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: str


def replacements(lines: Sequence[str], edits: Iterable[Edit]) -> list[Replacement]:
    """The edits of one text, in order, with the line breaks of removed lines. `lines` are without their ends.

    Raises ValueError if a line has changed since the edit was made, or if edits overlap.
    """
    by_line: dict[int, list[Edit]] = {}
    for edit in dict.fromkeys(edits):
        by_line.setdefault(edit.span.line - 1, []).append(edit)
    found: list[Replacement] = []
    gone: list[int] = []
    for number in sorted(by_line):
        if number >= len(lines) or any(edit.span.text != lines[number] for edit in by_line[number]):
            raise ValueError(f"line {number + 1} has changed")
        own = sorted(by_line[number], key=lambda edit: (edit.span.column, edit.span.length))
        if any(_meet(a, b) for a, b in pairwise(own)):
            raise ValueError(f"edits of line {number + 1} overlap")
        if lines[number].strip() and not _line_after(lines[number], own).strip():
            gone.append(number)
        else:
            found += [Replacement(_start(edit), _end(edit), edit.text) for edit in own]
    return sorted([*found, *_without(lines, gone)], key=lambda one: one.start)


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text after the edits, with its kind of line ends. Raises ValueError as `replacements` does."""
    pieces = re.split(r"(\r\n|\r|\n)", text)
    lines, ends = pieces[::2], [*pieces[1::2], ""]
    starts, offset = [], 0
    for line, end in zip(lines, ends, strict=True):
        starts.append(offset)
        offset += len(line) + len(end)
    newline = ends[0] or "\n"
    for one in reversed(replacements(lines, edits)):
        first, last = (starts[line] + column for line, column in (one.start, one.end))
        text = text[:first] + one.text.replace("\n", newline) + text[last:]
    return text


def compatible(fixes: Iterable[Fix]) -> list[Fix]:
    """The fixes that can be applied together, in the order of the text. Of two that overlap, the first is kept."""
    taken: dict[tuple[str, int], list[Edit]] = {}
    chosen = []
    for fix in sorted(dict.fromkeys(fixes), key=lambda fix: [_order(edit) for edit in fix.edits]):
        others = [(edit, other) for edit in fix.edits for other in taken.get((edit.span.path, edit.span.line), ())]
        if any(edit != other and _meet(edit, other) for edit, other in others):
            continue
        chosen.append(fix)
        for edit in fix.edits:
            taken.setdefault((edit.span.path, edit.span.line), []).append(edit)
    return chosen


def _order(edit: Edit) -> tuple[str, int, int]:
    return edit.span.path, edit.span.line, edit.span.column


def _start(edit: Edit) -> tuple[int, int]:
    return edit.span.line - 1, edit.span.column - 1


def _end(edit: Edit) -> tuple[int, int]:
    return edit.span.line - 1, edit.span.column - 1 + edit.span.length


def _meet(one: Edit, other: Edit) -> bool:
    """Whether two edits of one line overlap. An insertion also overlaps an edit that it touches."""
    (_, start), (_, end) = _start(one), _end(one)
    (_, other_start), (_, other_end) = _start(other), _end(other)
    if start == end or other_start == other_end:
        return start <= other_end and other_start <= end
    return start < other_end and other_start < end


def _line_after(line: str, edits: Iterable[Edit]) -> str:
    for edit in sorted(edits, key=_order, reverse=True):
        line = line[: edit.span.column - 1] + edit.text + line[_end(edit)[1] :]
    return line


def _without(lines: Sequence[str], gone: Sequence[int]) -> list[Replacement]:
    """The removal of whole lines. Consecutive lines are one removal, since two would share a line break and overlap."""
    runs: list[list[int]] = []
    for number in gone:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [_without_run(lines, first, last) for first, last in runs]


def _without_run(lines: Sequence[str], first: int, last: int) -> Replacement:
    if last + 1 < len(lines):
        return Replacement((first, 0), (last + 1, 0), "")
    start = (first - 1, len(lines[first - 1])) if first else (0, 0)
    return Replacement(start, (last, len(lines[last])), "")
