"""`validate --fix`: applies fixes in memory, in passes, until none is left; then writes each file once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from archspec.atomic_files import replace_content
from archspec.cli.block_calls import calls_of_blocks
from archspec.cli.diffs import not_written
from archspec.cli.stdin import STDIN
from archspec.diagnostics import Diagnostic, Edit, Fix
from archspec.diagnostics.edits import compatible, edited
from archspec.files import read_regular
from archspec.source.overlay import instead_of

_BOM: Final = "\ufeff"
_PASSES: Final = 50  # a fix may reveal the next mistake
_ROUNDS: Final = 10  # of unsafe fixes
_ALONE: Final = 10  # fixes of a round that are tried one by one
_EXPECTED: Final = ("SHAPE110", "SHAPE111")  # a figure in `expect` is wrong: or the network is
_SHAPES: Final = "SHAPE"  # codes of mistakes that depend on a block's call


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
        """Fix and examine repeatedly, until nothing more can be fixed.

        The unsafe fixes come after the safe ones, in rounds. A round must leave fewer mistakes, else it is taken back,
        and its fixes are tried one by one.
        """
        found = self._safe_passes(examine)
        for _ in range(_ROUNDS if self.unsafe else 0):
            chosen = self._unsafe(found)
            after = self._round(chosen, found, examine) if chosen else None
            for one in chosen[:_ALONE] if after is None and len(chosen) > 1 else ():
                after = after or self._round([one], found, examine)
            if after is None:
                return
            found = after

    def _round(
        self, chosen: list[Diagnostic], found: list[Diagnostic], examine: Callable[[], Iterable[Diagnostic]]
    ) -> list[Diagnostic] | None:
        """Apply the fixes of the chosen mistakes. Returns what remains; None if it is not less, and nothing changed."""
        state, made = self._state(), dict(self.made)
        self._fix(chosen)
        after = self._safe_passes(examine) if self._state() != state else found
        if _weight(after) < _weight(found):
            return after
        for text, before in zip(self.texts.values(), state, strict=True):
            text.after = before
        self.made = made
        return None

    def _safe_passes(self, examine: Callable[[], Iterable[Diagnostic]]) -> list[Diagnostic]:
        """Apply the safe fixes until none is left, or a state repeats. Returns the mistakes that remain."""
        seen = {self._state()}
        for _ in range(_PASSES):
            with self.read_fixed():
                found = list(examine())
            self._fix([d for d in found if d.fix is not None and d.fix.safe])
            if self._state() in seen:
                break
            seen.add(self._state())
        return found

    def _state(self) -> tuple[str, ...]:
        return tuple(text.after for text in self.texts.values())

    def _unsafe(self, found: list[Diagnostic]) -> list[Diagnostic]:
        """Those mistakes whose fixes may be applied in one round.

        Not one inside a block's body for the shapes of one call, since other calls would get it too. `expect` is only
        changed in a run that changes nothing else: otherwise it shows what the fixes did to the network.
        """
        calls = {text.path: calls_of_blocks(text.after) for text in self.texts.values()}

        def shared(fix: Fix) -> bool:
            return any(calls[self.texts[edit.span.path].path].shared(edit.span.line) for edit in fix.edits)

        fit = [d for d in found if d.fix is not None and self._may(d.fix)
               and not (d.code.startswith(_SHAPES) and shared(d.fix))]
        network = [d for d in fit if d.code not in _EXPECTED]
        return network if network or self.made or _weight(found)[0] > _weight(fit)[0] else fit

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
        """Write the changed files. Returns a diagnostic for each failure, whose fixes no longer count as made."""
        failed = []
        for text in self.changed:
            path, before = Path(text.path), (text.mark + text.before).encode()
            try:
                if read_regular(path, len(before)) != before:
                    raise OSError(0, "it changed in the meantime")
                replace_content(path, fixed_bytes(text))
            except OSError as problem:
                failed.append(not_written(text.path, problem))
                self.made.pop(text.path, None)
        return failed


def fixer_of(paths: Iterable[str], stdin: bytes | None, limit: int, *, unsafe: bool) -> Fixer:
    """A Fixer for the regular, readable text files among these. stdin: the bytes of `-`.

    A file whose name in diagnostics may be another's is left alone.
    """
    texts: dict[str, Text] = {}
    links, ambiguous = set[str](), set[str]()
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
            ambiguous |= {name} & texts.keys()  # names that only differ in control characters
            texts[name] = one
    return Fixer({name: text for name, text in texts.items() if name not in ambiguous}, frozenset(links), unsafe)


def _weight(found: Iterable[Diagnostic]) -> tuple[int, int]:
    """How many errors and warnings these are."""
    severities = [d.severity for d in found]
    return severities.count("error"), severities.count("warning")


def fixed_bytes(text: Text) -> bytes:
    """The bytes of the fixed text."""
    return (text.mark + text.after).encode()


def _shown(path: str) -> str:
    """A file's name in diagnostics."""
    return "".join(c if c.isprintable() else "?" for c in path)
