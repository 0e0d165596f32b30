"""The state of the server: the open texts, a snapshot of each, and conversion of places to the editor's columns.

Texts are stored here and not by pygls, which splits lines differently from editors.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from lsprotocol import types as lsp
from pygls import uris
from pygls.lsp.server import LanguageServer

from archspec import __version__
from archspec.diagnostics import Diagnostic, SourceSpan
from archspec.diagnostics.edits import Replacement
from archspec.language.detect import Kind
from archspec.lsp.actions import place_in
from archspec.lsp.project import path_of
from archspec.lsp.snapshot import Snapshot, snapshot
from archspec.lsp.text import Spot, lines_of, to_characters, to_units
from archspec.lsp.workspace import related, text_of

DELAY_S: Final = 0.1  # a text is checked after so long without a keystroke


class Server(LanguageServer):
    """The open texts, and a snapshot of each."""

    def __init__(self, delay_s: float = DELAY_S) -> None:
        super().__init__("archspec", __version__, text_document_sync_kind=lsp.TextDocumentSyncKind.Incremental)
        self.delay_s = delay_s
        self.includes: tuple[Path, ...] = ()
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int | None] = {}
        self.known: dict[str, Snapshot] = {}
        self.stale: set[str] = set()  # texts that read a file which has changed
        self.waiting: dict[str, asyncio.TimerHandle] = {}

    @property
    def encoding(self) -> str:
        """How the editor counts columns."""
        return str(getattr(self.workspace.position_encoding, "value", self.workspace.position_encoding) or "utf-16")

    def open_texts(self) -> dict[Path, str]:
        """The texts of all open files, by their paths without links."""
        return {path_at(uri).resolve(): text for uri, text in self.texts.items()}

    def snapshot_of(self, uri: str) -> Snapshot | None:
        """The snapshot of the present version of an open text."""
        text = self.texts.get(uri)
        if text is None:
            return None
        known = self.known.get(uri)
        if known is None or known.text != text or uri in self.stale:
            self.stale.discard(uri)
            path = path_at(uri)
            others = {p: t for p, t in self.open_texts().items() if p != path.resolve()}
            self.known[uri] = known = snapshot(path, text, others=others, includes=self.includes, before=known)
        return known

    def change(self, uri: str, text: str, version: int | None) -> None:
        """Store a new text, and check it after a pause in typing."""
        self.texts[uri], self.versions[uri] = text, version
        if uri in self.waiting:
            self.waiting.pop(uri).cancel()
        if self.delay_s <= 0:
            self.check(uri)
        else:
            self.waiting[uri] = asyncio.get_running_loop().call_later(self.delay_s, self.check, uri)

    def check(self, uri: str) -> None:
        """Publish the diagnostics of a text, and of the open texts that read it."""
        self.waiting.pop(uri, None)
        self.publish(uri)
        path = path_at(uri).resolve()
        for other, known in list(self.known.items()):
            if other != uri and _may_read(known, path):
                self.stale.add(other)
                self.publish(other)

    def publish(self, uri: str) -> None:
        """Send the diagnostics of one text."""
        known = self.snapshot_of(uri)
        found = [] if known is None else [self.diagnostic(known, d) for d in known.diagnostics]
        self.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(uri, found, self.versions.get(uri))
        )

    # -- places ----------------------------------------------------------------------------------------------------

    def spot(self, known: Snapshot, position: lsp.Position) -> Spot:
        """A position of the editor as line and character."""
        if position.line >= len(known.lines):
            return Spot(len(known.lines) - 1, len(known.lines[-1]))
        return Spot(position.line, to_characters(known.lines[position.line], position.character, self.encoding))

    def range_of(self, span: SourceSpan) -> lsp.Range:
        """The range of a place on one line."""
        start = to_units(span.text, span.column - 1, self.encoding)
        end = to_units(span.text, span.column - 1 + span.length, self.encoding)
        return lsp.Range(lsp.Position(span.line - 1, start), lsp.Position(span.line - 1, end))

    def location(self, span: SourceSpan) -> lsp.Location:
        """A place in any file."""
        return lsp.Location(self.uri_of(path_of(span.path)), self.range_of(span))

    def range_between(self, lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> lsp.Range:
        """The range between two places in characters."""
        return lsp.Range(*(self._position(lines, *place) for place in (start, end)))

    def _position(self, lines: list[str], line: int, column: int) -> lsp.Position:
        text = lines[line] if line < len(lines) else ""
        return lsp.Position(line, to_units(text, column, self.encoding))

    def diagnostic(self, known: Snapshot, one: Diagnostic) -> lsp.Diagnostic:
        """A diagnostic in the protocol's form. One of another file is shown where this file names it."""
        own = one.span is not None and path_of(one.span.path) == known.path
        line = place_in(known, one)
        text = known.lines[line] if line < len(known.lines) else ""
        place = one.span if own and one.span is not None else SourceSpan("", line + 1, 1, max(1, len(text)), text)
        related = [(label.span, label.text) for label in one.related]
        if one.span is not None and not own:
            related.insert(0, (one.span, "here"))
        hint = f"\nhint: {one.hint}" if one.hint else ""
        return lsp.Diagnostic(
            self.range_of(place), "\n".join([one.message, *one.notes]) + hint,
            lsp.DiagnosticSeverity.Warning if one.severity == "warning" else lsp.DiagnosticSeverity.Error, one.code,
            source="archspec", related_information=[
                lsp.DiagnosticRelatedInformation(self.location(span), said) for span, said in related
            ],
        )

    def text_edits(self, text: str, changes: Iterable[Replacement]) -> list[lsp.TextEdit]:
        """The edits of one text, with its kind of line ends."""
        lines = lines_of(text)
        end = "\r\n" if "\r\n" in text else "\n"
        places = ((self.range_between(lines, one.start, one.end), one.text) for one in changes)
        return [lsp.TextEdit(place, new.replace("\n", end)) for place, new in places]

    def workspace_edit(self, known: Snapshot, changes: Mapping[Path, Any]) -> lsp.WorkspaceEdit:
        """The edits of several files."""
        edits = {}
        for path, own in changes.items():
            text = known.text if path == known.path else text_of(path, self.open_texts())
            edits[self.uri_of(path)] = self.text_edits(text, own)
        return lsp.WorkspaceEdit(changes=edits)

    def uri_of(self, path: Path) -> str:
        """The URI of a file: the editor's, if the file is open."""
        return next((uri for uri in self.texts if path_at(uri) == path), None) or _uri_of(path)

    def sharing(self, known: Snapshot, name: str) -> list[Snapshot]:
        """The specs of the workspace that may share a name with a file."""
        folders = [path_at(folder.uri) for folder in self.workspace.folders.values()] or [known.path.parent]
        return related(known, name, folders, self.open_texts())


def _may_read(known: Snapshot, path: Path) -> bool:
    """Whether a text reads a file, or may do so, since the text could not be parsed."""
    unread = known.program is None and known.kind not in (Kind.OTHER, Kind.SWEEP)
    return unread or path in {own.resolve() for own in known.files}


def path_at(uri: str) -> Path:
    """The file of a URI, or, if it does not name one, a name in the working directory."""
    path = uris.to_fs_path(uri)
    return Path(path) if path else Path.cwd() / uri.rpartition("/")[2].rpartition(":")[2]


def _uri_of(path: Path) -> str:
    return uris.from_fs_path(os.path.abspath(path)) or ""  # noqa: PTH100 - links stay as the editor knows them
