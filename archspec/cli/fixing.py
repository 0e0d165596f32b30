"""`validate --fix`: fixes are made in passes until none is left, in memory; then each file is written once."""

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
_PASSES: Final = 50  # a fix may only show the next mistake


@dataclass(slots=True)
class Text:
    """A file that fixes may change. mark: its byte order mark, or nothing; the texts are without it."""

    path: str
    mark: str
    before: str
    after: str


@dataclass(slots=True)
class Fixer:
    """Fixes of the files that were named; no others are written, and no links.

    texts: by the names that diagnostics call the files. unsafe: also make fixes that may change what a spec means.
    links: names of the files that are links. made: how many fixes were made, by file.
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
        """Fix, examine again, and so on, until nothing more can be fixed, or a state comes back."""
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
        """While this lasts, the fixed texts are read instead of the files."""
        return instead_of({Path(t.path): fixed_bytes(t) for t in self.changed})

    def _fix(self, found: Iterable[Diagnostic]) -> None:
        """Make the fixes of these diagnostics that go together."""
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
        """The fix with each file called by its path: diagnostics of several specs may call a library differently."""
        edits = (replace(e, span=replace(e.span, path=self.texts[e.span.path].path)) for e in fix.edits)
        return replace(fix, edits=tuple(edits))

    def links_with_fixes(self, found: Iterable[Diagnostic]) -> list[str]:
        """Names of the links that a fix was not written to."""
        fixes = [d.fix for d in found if d.fix is not None and (d.fix.safe or self.unsafe)]
        return sorted(self.links.intersection(edit.span.path for fix in fixes for edit in fix.edits))

    def write(self) -> list[Diagnostic]:
        """Write the changed files; what went wrong."""
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
    """A Fixer of those of these files that are regular files of readable text. stdin: the bytes of `-`."""
    texts: dict[str, Text] = {}
    links: set[str] = set()
    for path in paths:
        try:
            content = stdin if path == STDIN and stdin is not None else read_regular(Path(path), limit)
            text = content.decode()
        except (OSError, UnicodeDecodeError):  # a shipped spec's name, a link, or a mistake, which is reported
            if Path(path).is_symlink():
                links.add(_shown(path))
            continue
        mark = _BOM if text.startswith(_BOM) else ""
        one = Text(path, mark, text.removeprefix(mark), text.removeprefix(mark))
        for name in {_shown(path), os.path.normpath(_shown(path))}:  # a library is called by the latter
            texts[name] = one
    return Fixer(texts, frozenset(links), unsafe)


def fixed_bytes(text: Text) -> bytes:
    """The fixed text as it is written."""
    return (text.mark + text.after).encode()


def _shown(path: str) -> str:
    """What diagnostics call a file."""
    return "".join(c if c.isprintable() else "?" for c in path)
