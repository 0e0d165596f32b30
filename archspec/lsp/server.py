"""The server: handlers of the protocol over standard input and output, which call the functions of this package."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams

from archspec.data.registry import DATASET_DOOR
from archspec.diagnostics import SpecError
from archspec.language.loss import LOSS_DOOR
from archspec.lsp.actions import changes_of, fix_all, format_edits, quick_fixes
from archspec.lsp.completion import complete
from archspec.lsp.definition import CannotRename, definition, named_at, references, rename
from archspec.lsp.hover import hover
from archspec.lsp.outline import Symbol, outline
from archspec.lsp.session import DELAY_S, Server
from archspec.lsp.snapshot import Snapshot
from archspec.lsp.text import Change, Spot, changed
from archspec.ops import OP_DOOR

FIX_ALL: Final = "source.fixAll.archspec"
T = TypeVar("T")


def _known(server: Server, params: Any) -> Snapshot | None:
    return server.snapshot_of(params.text_document.uri)


# -- notifications of the editor ---------------------------------------------------------------------------------------


def _initialize(server: Server, params: lsp.InitializeParams) -> None:
    options = params.initialization_options
    given = options.get("include") if isinstance(options, dict) else None
    folders = given if isinstance(given, list) else []
    server.includes = tuple(Path(folder) for folder in folders if isinstance(folder, str))


def _initialized(server: Server, params: lsp.InitializedParams) -> None:
    """Ask for notifications about files that change on disk, since an open file may extend or use one."""
    workspace = server.client_capabilities.workspace
    watching = workspace.did_change_watched_files if workspace is not None else None
    if watching is not None and watching.dynamic_registration:
        watchers = [lsp.FileSystemWatcher(glob_pattern=pattern) for pattern in ("**/*.yaml", "**/*.yml")]
        options = lsp.DidChangeWatchedFilesRegistrationOptions(watchers)
        wanted = lsp.Registration("archspec-files", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        server.client_register_capability(lsp.RegistrationParams([wanted]))


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
    server.stale.update(server.texts)
    for uri in list(server.texts):
        server.publish(uri)


# -- requests of the editor --------------------------------------------------------------------------------------------


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
    return [server.location(span) for span in spans]


def _references(server: Server, params: lsp.ReferenceParams) -> list[lsp.Location]:
    known = _known(server, params)
    if known is None:
        return []
    spot = server.spot(known, params.position)
    found = named_at(known, spot)
    others = server.sharing(known, found.occurrence.name) if found is not None else []
    return [server.location(span) for span in references(known, spot, others)]


def _prepare_rename(server: Server, params: lsp.PrepareRenameParams) -> lsp.Range | None:
    known = _known(server, params)
    found = named_at(known, server.spot(known, params.position)) if known is not None else None
    return server.range_of(found.span) if found is not None else None


def _rename(server: Server, params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
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
        return server.text_edits(known.text, format_edits(known))
    except SpecError:  # already reported as a diagnostic
        return []


def _actions(server: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    known = _known(server, params)
    if known is None:
        return []
    wanted = params.context.only
    actions = []
    if wanted is None or lsp.CodeActionKind.QuickFix in wanted:
        for one in quick_fixes(known, params.range.start.line, params.range.end.line):
            mended = [server.diagnostic(known, one.diagnostic)] if one.diagnostic else []
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
    lsp.INITIALIZED: (_initialized, None),
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
    """A server with all features."""
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
    """Serve over standard input and output until the editor ends it. Completion offers what plugins have."""
    for door in (OP_DOOR, DATASET_DOOR, LOSS_DOOR):
        door.discover()
    with os.fdopen(os.dup(0), "rb") as stdin, os.fdopen(os.dup(1), "wb") as stdout:  # pygls closes its streams
        server_of(delay_s).start_io(stdin, stdout)
