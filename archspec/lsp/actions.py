"""Quick fixes: the edits of diagnostics, for an editor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from archspec.diagnostics import Diagnostic, Edit
from archspec.diagnostics.edits import Replacement, compatible, replacements
from archspec.lsp.project import path_of
from archspec.lsp.snapshot import Snapshot
from archspec.lsp.text import lines_of
from archspec.source.layout import formatted

Changes = Mapping[Path, Sequence[Replacement]]


@dataclass(frozen=True, slots=True)
class Action:
    """A change that an editor offers. diagnostic: the one it fixes; None for several. sure: it is the preferred one."""

    title: str
    changes: Changes
    diagnostic: Diagnostic | None
    sure: bool


def quick_fixes(snapshot: Snapshot, first: int, last: int) -> list[Action]:
    """The fixes of the diagnostics on some lines, from 0."""
    actions = []
    for diagnostic in snapshot.diagnostics:
        line = place_in(snapshot, diagnostic)
        if diagnostic.fix is None or not first <= line <= last:
            continue
        changes = changes_of(snapshot, diagnostic.fix.edits)
        if changes is not None:
            title = str(diagnostic.hint or "Apply the fix")
            actions.append(Action(title[:1].upper() + title[1:], changes, diagnostic, diagnostic.fix.safe))
    return actions


def fix_all(snapshot: Snapshot) -> Action | None:
    """All safe fixes of this file that do not overlap."""
    fixes = [d.fix for d in snapshot.diagnostics if d.fix is not None and d.fix.safe]
    own = [fix for fix in fixes if all(path_of(e.span.path) == snapshot.path for e in fix.edits)]
    changes = changes_of(snapshot, [edit for fix in compatible(own) for edit in fix.edits])
    return Action("Apply all safe fixes", changes, None, sure=True) if changes else None


def place_in(snapshot: Snapshot, diagnostic: Diagnostic) -> int:
    """The line of this file where a diagnostic is shown. A mistake in another file is shown where this one names it."""
    span = diagnostic.span
    if span is None:
        return 0
    if path_of(span.path) == snapshot.path:
        return span.line - 1
    document = snapshot.document
    for key in ("extends", "use"):
        at = document.span((key,)) if document is not None and isinstance(document.data, dict) and \
            key in document.data else None
        if at is not None:
            return at.line - 1
    return 0


def changes_of(snapshot: Snapshot, edits: Iterable[Edit]) -> Changes | None:
    """The edits of each file as replacements, or None if a text has changed since they were made."""
    by_path: dict[Path, list[Edit]] = {}
    for edit in edits:
        by_path.setdefault(path_of(edit.span.path), []).append(edit)
    try:
        return {path: replacements(_lines(snapshot, path, own), own) for path, own in by_path.items()}
    except ValueError:
        return None


def _lines(snapshot: Snapshot, path: Path, edits: list[Edit]) -> Sequence[str]:
    """The lines of a file in this snapshot."""
    if path == snapshot.path:
        return snapshot.lines
    if path in snapshot.others:
        return lines_of(snapshot.others[path])
    lines = [""] * max(edit.span.line for edit in edits)  # of a file on disk only the lines in the edits are known
    for edit in edits:
        lines[edit.span.line - 1] = edit.span.text
    return lines


def format_edits(snapshot: Snapshot) -> list[Replacement]:
    """The edit that formats a text, without the equal parts at its start and end. Raises SpecError."""
    old, new = "\n".join(snapshot.lines), "\n".join(lines_of(formatted(snapshot.text, str(snapshot.path))))
    if old == new:
        return []
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    start, end = (_place(old, index) for index in (head, len(old) - tail))
    return [Replacement(start, end, new[head : len(new) - tail])]


def _alike(one: str, other: str) -> int:
    """The length of the common prefix."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(one), len(other)))


def _place(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index), index - text.rfind("\n", 0, index) - 1
