"""`validate --fix`: applies fixes in memory, in passes, until none is left; then writes each file once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from archspec.atomic_files import replace_content
from archspec.cli.console import clean
from archspec.diagnostics import Diagnostic, Edit, Fix
from archspec.diagnostics.edits import compatible, edited
from archspec.files import read_regular
from archspec.source.overlay import instead_of

STDIN: Final = "-"
_BOM: Final = "\ufeff"
_PASSES: Final = 50  # a fix may reveal the next mistake


@dataclass(slots=True)
class Text:
    """A file that fixes may change. mark: its byte order mark, which the texts do not include."""

    path: str
    mark: str
    before: str
    after: str


@dataclass(slots=True)
class Fixer:
    """Applies fixes to the files on the command line. It writes no other files and no links.

    texts: by the files' names in diagnostics. unsafe: also apply fixes that may change what a spec means.
    links: names of the files that are links. made: the number of applied fixes, by file.
    """

    texts: dict[str, Text]
    links: frozenset[str]
    unsafe: bool
    made: dict[str, int] = field(default_factory=dict)

    @property
    def changed(self) -> list[Text]:
        """The texts that fixes changed."""
        return [text for text in {t.path: t for t in self.texts.values()}.values() if text.after != text.before]

    def passes(self, examine: Callable[[], Iterable[Diagnostic]]) -> None:
        """Fix and examine repeatedly, until nothing more can be fixed, or a state repeats."""
        seen = set()
        for _ in range(_PASSES):
            with self.read_fixed():
                found = list(examine())
            self._fix(found)
            state = tuple(text.after for text in self.texts.values())
            if state in seen:
                return
            seen.add(state)

    def read_fixed(self) -> AbstractContextManager[None]:
        """Inside this context, the fixed texts are read instead of the files."""
        return instead_of({Path(t.path): fixed_bytes(t) for t in self.changed})

    def _fix(self, found: Iterable[Diagnostic]) -> None:
        """Apply the compatible fixes of these diagnostics."""
        fixes = compatible(self._in_files(d.fix) for d in found if d.fix is not None and self._may(d.fix))
        edits: dict[str, list[Edit]] = {}
        for fix in fixes:
            path = fix.edits[0].span.path
            self.made[path] = self.made.get(path, 0) + 1
            for edit in fix.edits:
                edits.setdefault(edit.span.path, []).append(edit)
        for text in self.texts.values():
            text.after = edited(text.after, edits.pop(text.path, ()))

    def _may(self, fix: Fix) -> bool:
        return (fix.safe or self.unsafe) and all(edit.span.path in self.texts for edit in fix.edits)

    def _in_files(self, fix: Fix) -> Fix:
        """The fix with each file's path as its name: different specs may name a library differently."""
        edits = (replace(e, span=replace(e.span, path=self.texts[e.span.path].path)) for e in fix.edits)
        return replace(fix, edits=tuple(edits))

    def links_with_fixes(self, found: Iterable[Diagnostic]) -> list[str]:
        """The names of links that have fixes, which are not written."""
        fixes = [d.fix for d in found if d.fix is not None and (d.fix.safe or self.unsafe)]
        return sorted(self.links.intersection(edit.span.path for fix in fixes for edit in fix.edits))

    def write(self) -> list[Diagnostic]:
        """Write the changed files. Returns a diagnostic for each failure."""
        failed = []
        for text in self.changed:
            path, before = Path(text.path), (text.mark + text.before).encode()
            try:
                if read_regular(path, len(before)) != before:
                    raise OSError(0, "it changed in the meantime")
                replace_content(path, fixed_bytes(text))
            except OSError as problem:
                message = f"{clean(text.path)} cannot be written: {(problem.strerror or str(problem)).lower()}"
                failed.append(Diagnostic("SPEC001", message))
        return failed


def fixer_of(paths: Iterable[str], stdin: bytes | None, limit: int, *, unsafe: bool) -> Fixer:
    """A Fixer for the regular, readable text files among these. stdin: the bytes of `-`."""
    texts: dict[str, Text] = {}
    links: set[str] = set()
    for path in paths:
        try:
            content = stdin if path == STDIN and stdin is not None else read_regular(Path(path), limit)
            text = content.decode()
        except (OSError, UnicodeDecodeError):  # a shipped spec's name, a link, or a mistake, which the check reports
            if Path(path).is_symlink():
                links.add(_shown(path))
            continue
        mark = _BOM if text.startswith(_BOM) else ""
        one = Text(path, mark, text.removeprefix(mark), text.removeprefix(mark))
        for name in {_shown(path), os.path.normpath(_shown(path))}:  # the latter is a library's name
            texts[name] = one
    return Fixer(texts, frozenset(links), unsafe)


def fixed_bytes(text: Text) -> bytes:
    """The bytes of the fixed text."""
    return (text.mark + text.after).encode()


def _shown(path: str) -> str:
    """A file's name in diagnostics."""
    return "".join(c if c.isprintable() else "?" for c in path)
