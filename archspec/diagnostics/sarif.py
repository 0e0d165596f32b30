"""Diagnostics as SARIF 2.1.0, which code scanners and editors read (OASIS standard, 27 March 2020)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from archspec.diagnostics.codes import CODES
from archspec.diagnostics.edits import Replacement, replacements
from archspec.diagnostics.model import Diagnostic, Edit, Fix, SourceSpan
from archspec.diagnostics.places import path_from, utf16_length
from archspec.diagnostics.text import facts

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_ROOT: Final = "SRCROOT"  # the base of relative addresses


def sarif(diagnostics: Iterable[Diagnostic], version: str, root: Path | None = None) -> dict[str, Any]:
    """A log of one run of archspec `version`. root: the base of relative paths; default: the working folder."""
    root = root or Path.cwd()
    found = list(diagnostics)
    codes = sorted({d.code for d in found})
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "archspec", "version": version, "rules": [_rule(code) for code in codes]}},
            "originalUriBaseIds": {_ROOT: {"uri": f"{root.as_uri().rstrip('/')}/"}},
            "columnKind": "utf16CodeUnits",
            "results": [_result(d, codes.index(d.code), root) for d in found],
        }],
    }


def _rule(code: str) -> dict[str, Any]:
    page = CODES.get(code)
    if page is None:
        return {"id": code}
    meaning = " ".join(page.meaning.split())
    return {"id": code, "shortDescription": {"text": page.title}, "fullDescription": {"text": meaning}}


def _result(diagnostic: Diagnostic, rule: int, root: Path) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": diagnostic.code, "ruleIndex": rule, "level": diagnostic.severity,
        "message": {"text": "\n".join(facts(diagnostic))},
    }
    if diagnostic.span is not None:
        result["locations"] = [_location(diagnostic.span, root)]
    if diagnostic.related:
        result["relatedLocations"] = [
            {"id": k, "message": {"text": label.text}, **_location(label.span, root)}
            for k, label in enumerate(diagnostic.related)
        ]
    if diagnostic.fix is not None:
        result["fixes"] = [_fix(diagnostic.fix, diagnostic.hint or diagnostic.message, root)]
    return result


def _location(span: SourceSpan, root: Path) -> dict[str, Any]:
    line = {"startLine": span.line, "snippet": {"text": span.text}}
    place = {"artifactLocation": _artifact(span.path, root), "region": _region(span), "contextRegion": line}
    return {"physicalLocation": place}


def _artifact(path: str, root: Path) -> dict[str, str]:
    relative = path_from(path, root)
    if relative is None:
        return {"uri": Path(path).absolute().as_uri()}
    return {"uri": quote(relative), "uriBaseId": _ROOT}


def _region(span: SourceSpan) -> dict[str, Any]:
    start = utf16_length(span.text[: span.column - 1]) + 1
    marked = span.text[span.column - 1 : span.column - 1 + span.length]
    return {
        "startLine": span.line, "startColumn": start, "endColumn": start + utf16_length(marked),
        "snippet": {"text": marked},
    }


def _fix(fix: Fix, words: str, root: Path) -> dict[str, Any]:
    by_file: dict[str, list[Edit]] = {}
    for edit in fix.edits:
        by_file.setdefault(edit.span.path, []).append(edit)
    changes = [
        {"artifactLocation": _artifact(path, root), "replacements": [_replacement(one, edits) for one in _of(edits)]}
        for path, edits in by_file.items()
    ]
    return {"description": {"text": words}, "artifactChanges": changes}


def _of(edits: list[Edit]) -> list[Replacement]:
    lines = _lines(edits)
    return replacements([lines.get(k, "") for k in range(max(lines) + 2)], edits)


def _lines(edits: list[Edit]) -> dict[int, str]:
    """The lines in the edits' spans, by number from 0, from which columns are computed."""
    return {edit.span.line - 1: edit.span.text for edit in edits}


def _replacement(one: Replacement, edits: list[Edit]) -> dict[str, Any]:
    (line, column), (end_line, end_column) = one.start, one.end
    lines = _lines(edits)
    region = {
        "startLine": line + 1, "startColumn": utf16_length(lines.get(line, "")[:column]) + 1,
        "endLine": end_line + 1, "endColumn": utf16_length(lines.get(end_line, "")[:end_column]) + 1,
    }
    return {"deletedRegion": region, "insertedContent": {"text": one.text}}
