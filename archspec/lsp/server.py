"""The server: what an editor asks over standard input and output, answered by the functions beside it.

The only module that knows pygls. Texts are kept here, since pygls splits lines where an editor does not.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from lsprotocol import types as lsp
from pygls import uris
from pygls.lsp.server import LanguageServer

from archspec import __version__
from archspec.diagnostics import Diagnostic, SourceSpan, SpecError
from archspec.diagnostics.edits import Replacement
from archspec.lsp.actions import changes_of, fix_all, format_edits, place_in, quick_fixes
from archspec.lsp.completion import complete
from archspec.lsp.definition import CannotRename, definition, named_at, references, rename
from archspec.lsp.hover import hover
from archspec.lsp.outline import Symbol, outline
from archspec.lsp.project import path_of
from archspec.lsp.snapshot import Snapshot, snapshot
from archspec.lsp.text import Change, Spot, changed, lines_of, to_characters, to_units
from archspec.lsp.workspace import related, text_of

DELAY_S: Final = 0.1  # without a keystroke, until a text is checked
FIX_ALL: Final = "source.fixAll.archspec"
T = TypeVar("T")


class Server(LanguageServer):
    """The open texts, and what is known of each."""

    def __init__(self, delay_s: float = DELAY_S) -> None:
        super().__init__("archspec", __version__, text_document_sync_kind=lsp.TextDocumentSyncKind.Incremental)
        self.delay_s = delay_s
        self.includes: tuple[Path, ...] = ()
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int | None] = {}
        self.known: dict[str, Snapshot] = {}
        self.waiting: dict[str, asyncio.TimerHandle] = {}

    @property
    def encoding(self) -> str:
        """How the editor counts columns."""
        return str(getattr(self.workspace.position_encoding, "value", self.workspace.position_encoding) or "utf-16")

    def open_texts(self) -> dict[Path, str]:
        """The texts of all open files, by their paths without links."""
        return {path_at(uri).resolve(): text for uri, text in self.texts.items()}

    def snapshot_of(self, uri: str) -> Snapshot | None:
        """What is known of an open text as it is now."""
        text = self.texts.get(uri)
        if text is None:
            return None
        known = self.known.get(uri)
        if known is None or known.text != text:
            path = path_at(uri)
            others = {p: t for p, t in self.open_texts().items() if p != path.resolve()}
            self.known[uri] = known = snapshot(path, text, others=others, includes=self.includes, before=known)
        return known

    def change(self, uri: str, text: str, version: int | None) -> None:
        """Take a new text, and check it once no further keystroke comes."""
        self.texts[uri], self.versions[uri] = text, version
        if uri in self.waiting:
            self.waiting.pop(uri).cancel()
        if self.delay_s <= 0:
            self.check(uri)
        else:
            self.waiting[uri] = asyncio.get_running_loop().call_later(self.delay_s, self.check, uri)

    def check(self, uri: str) -> None:
        """Report what is wrong with a text, and with the open ones that read it."""
        self.waiting.pop(uri, None)
        self.publish(uri)
        path = path_at(uri).resolve()
        for other, known in list(self.known.items()):
            if other != uri and other in self.texts and path in {p.resolve() for p in known.files}:
                del self.known[other]
                self.publish(other)

    def publish(self, uri: str) -> None:
        """Send the diagnostics of one text."""
        known = self.snapshot_of(uri)
        found = [] if known is None else [self._diagnostic(known, d) for d in known.diagnostics]
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

    def range_between(self, lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> lsp.Range:
        """The range between two places in characters."""
        return lsp.Range(*(self._position(lines, *place) for place in (start, end)))

    def _position(self, lines: list[str], line: int, column: int) -> lsp.Position:
        text = lines[line] if line < len(lines) else ""
        return lsp.Position(line, to_units(text, column, self.encoding))

    def _diagnostic(self, known: Snapshot, one: Diagnostic) -> lsp.Diagnostic:
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
                lsp.DiagnosticRelatedInformation(lsp.Location(uri_of(path_of(span.path)), self.range_of(span)), said)
                for span, said in related
            ],
        )

    def text_edits(self, lines: list[str], changes: list[Replacement]) -> list[lsp.TextEdit]:
        """The edits of one text."""
        return [lsp.TextEdit(self.range_between(lines, one.start, one.end), one.text) for one in changes]

    def workspace_edit(self, known: Snapshot, changes: Mapping[Path, Any]) -> lsp.WorkspaceEdit:
        """The edits of several files."""
        edits = {}
        for path, own in changes.items():
            lines = known.lines if path == known.path else self.lines_at(path)
            edits[uri_of(path)] = self.text_edits(lines, own)
        return lsp.WorkspaceEdit(changes=edits)

    def lines_at(self, path: Path) -> list[str]:
        """The lines of a file, as the editor has it, else of the disk."""
        return lines_of(text_of(path, self.open_texts()))

    def sharing(self, known: Snapshot, name: str) -> list[Snapshot]:
        """The specs of the workspace that may share a name with a file."""
        folders = [path_at(folder.uri) for folder in self.workspace.folders.values()] or [known.path.parent]
        return related(known, name, folders, self.open_texts())


def path_at(uri: str) -> Path:
    """The file of a URI; of one that names none, a name in the working directory."""
    path = uris.to_fs_path(uri)
    return Path(path) if path else Path.cwd() / uri.rpartition("/")[2].rpartition(":")[2]


def uri_of(path: Path) -> str:
    """The URI of a file."""
    return uris.from_fs_path(os.path.abspath(path)) or ""  # noqa: PTH100 - links stay as the editor knows them


def _known(server: Server, params: Any) -> Snapshot | None:
    return server.snapshot_of(params.text_document.uri)


# -- what the editor tells ---------------------------------------------------------------------------------------------


def _initialize(server: Server, params: lsp.InitializeParams) -> None:
    options = params.initialization_options
    given = options.get("include") if isinstance(options, dict) else None
    folders = given if isinstance(given, list) else []
    server.includes = tuple(Path(folder) for folder in folders if isinstance(folder, str))


def _open(server: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    document = params.text_document
    server.texts[document.uri], server.versions[document.uri] = document.text, document.version
    server.check(document.uri)


def _change(server: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    uri = params.text_document.uri
    text = server.texts.get(uri, "")
    for event in params.content_changes:
        where = getattr(event, "range", None)
        start, end = (None, None) if where is None else (
            Spot(where.start.line, where.start.character), Spot(where.end.line, where.end.character)
        )
        text = changed(text, Change(start, end, event.text), server.encoding)
    server.change(uri, text, params.text_document.version)


def _close(server: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    if uri in server.waiting:
        server.waiting.pop(uri).cancel()
    for kept in (server.texts, server.known, server.versions):
        kept.pop(uri, None)
    server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))


def _files_changed(server: Server, params: lsp.DidChangeWatchedFilesParams) -> None:
    server.known.clear()
    for uri in list(server.texts):
        server.publish(uri)


# -- what the editor asks ----------------------------------------------------------------------------------------------


def _complete(server: Server, params: lsp.CompletionParams) -> list[lsp.CompletionItem]:
    known = _known(server, params)
    if known is None:
        return []
    spot = server.spot(known, params.position)
    items = []
    for rank, one in enumerate(complete(known, spot)):
        where = server.range_between(known.lines, (spot.line, one.start), (spot.line, one.end))
        items.append(lsp.CompletionItem(
            one.label, kind=lsp.CompletionItemKind[one.kind.title().replace("Enum", "EnumMember")], detail=one.detail,
            documentation=lsp.MarkupContent(lsp.MarkupKind.Markdown, one.docs) if one.docs else None,
            text_edit=lsp.TextEdit(where, one.insert), sort_text=f"{rank:04}",
        ))
    return items


def _hover(server: Server, params: lsp.HoverParams) -> lsp.Hover | None:
    known = _known(server, params)
    found = hover(known, server.spot(known, params.position)) if known is not None else None
    if known is None or found is None:
        return None
    where = server.range_between(known.lines, (found.line, found.start), (found.line, found.end))
    return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, found.text), where)


def _definition(server: Server, params: lsp.DefinitionParams) -> list[lsp.Location]:
    known = _known(server, params)
    spans = definition(known, server.spot(known, params.position)) if known is not None else []
    return [lsp.Location(uri_of(Path(span.path)), server.range_of(span)) for span in spans]


def _references(server: Server, params: lsp.ReferenceParams) -> list[lsp.Location]:
    known = _known(server, params)
    if known is None:
        return []
    spot = server.spot(known, params.position)
    found = named_at(known, spot)
    others = server.sharing(known, found.occurrence.name) if found is not None else []
    return [lsp.Location(uri_of(Path(s.path)), server.range_of(s)) for s in references(known, spot, others)]


def _prepare_rename(server: Server, params: lsp.PrepareRenameParams) -> lsp.Range | None:
    known = _known(server, params)
    found = named_at(known, server.spot(known, params.position)) if known is not None else None
    return server.range_of(found.span) if found is not None else None


def _rename(server: Server, params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
    from pygls.exceptions import JsonRpcInvalidParams

    known = _known(server, params)
    if known is None:
        return None
    spot = server.spot(known, params.position)
    found = named_at(known, spot)
    try:
        others = server.sharing(known, found.occurrence.name) if found is not None else []
        edits = rename(known, spot, params.new_name, others)
    except CannotRename as problem:
        raise JsonRpcInvalidParams(str(problem)) from None
    changes = changes_of(known, edits)
    return None if changes is None else server.workspace_edit(known, changes)


def _symbols(server: Server, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
    known = _known(server, params)

    def made(one: Symbol) -> lsp.DocumentSymbol:
        assert known is not None
        return lsp.DocumentSymbol(
            one.name, lsp.SymbolKind[one.kind.title()], server.range_between(known.lines, one.start, one.end),
            server.range_between(known.lines, one.start, one.name_end), one.detail, children=[*map(made, one.children)],
        )

    return [made(one) for one in outline(known)] if known is not None else []


def _format(server: Server, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit]:
    known = _known(server, params)
    if known is None:
        return []
    try:
        return server.text_edits(known.lines, format_edits(known))
    except SpecError:  # which is reported as a diagnostic
        return []


def _actions(server: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    known = _known(server, params)
    if known is None:
        return []
    wanted = params.context.only
    actions = []
    if wanted is None or lsp.CodeActionKind.QuickFix in wanted:
        for one in quick_fixes(known, params.range.start.line, params.range.end.line):
            mended = [server._diagnostic(known, one.diagnostic)] if one.diagnostic else []
            actions.append(lsp.CodeAction(
                one.title, lsp.CodeActionKind.QuickFix, mended, is_preferred=one.sure,
                edit=server.workspace_edit(known, one.changes),
            ))
    every = fix_all(known) if wanted is None or any(FIX_ALL.startswith(str(kind)) for kind in wanted) else None
    if every is not None:
        edit = server.workspace_edit(known, every.changes)
        actions.append(lsp.CodeAction(every.title, FIX_ALL, edit=edit))
    return actions


_FEATURES: Final[dict[str, tuple[Callable[[Server, Any], Any], Any]]] = {
    lsp.TEXT_DOCUMENT_DID_OPEN: (_open, None),
    lsp.TEXT_DOCUMENT_DID_CHANGE: (_change, None),
    lsp.TEXT_DOCUMENT_DID_CLOSE: (_close, None),
    lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES: (_files_changed, None),
    lsp.TEXT_DOCUMENT_COMPLETION: (_complete, lsp.CompletionOptions(trigger_characters=["$", ".", ":", " ", "{", "["])),
    lsp.TEXT_DOCUMENT_HOVER: (_hover, None),
    lsp.TEXT_DOCUMENT_DEFINITION: (_definition, None),
    lsp.TEXT_DOCUMENT_REFERENCES: (_references, None),
    lsp.TEXT_DOCUMENT_PREPARE_RENAME: (_prepare_rename, None),
    lsp.TEXT_DOCUMENT_RENAME: (_rename, lsp.RenameOptions(prepare_provider=True)),
    lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL: (_symbols, None),
    lsp.TEXT_DOCUMENT_FORMATTING: (_format, None),
    lsp.TEXT_DOCUMENT_CODE_ACTION: (
        _actions, lsp.CodeActionOptions([lsp.CodeActionKind.QuickFix, FIX_ALL])
    ),
}


def server_of(delay_s: float = DELAY_S) -> Server:
    """A server that knows all features."""
    server = Server(delay_s)

    @server.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        _initialize(server, params)

    for name, (answer, options) in _FEATURES.items():
        server.feature(name, options)(_bound(answer, server))
    return server


def _bound(answer: Callable[[Server, Any], T], server: Server) -> Callable[[Any], T]:
    def handler(params: Any) -> T:
        return answer(server, params)

    handler.__name__ = answer.__name__
    return handler


def run(delay_s: float = DELAY_S) -> None:
    """Serve over standard input and output until the editor ends it."""
    with os.fdopen(os.dup(0), "rb") as stdin, os.fdopen(os.dup(1), "wb") as stdout:  # pygls closes what it is given
        server_of(delay_s).start_io(stdin, stdout)
