"""Diagnostics as workflow commands, which GitHub Actions shows beside the lines of a pull request."""

from __future__ import annotations

import os
from pathlib import Path

from archspec.diagnostics.model import Diagnostic
from archspec.diagnostics.places import path_from
from archspec.diagnostics.text import facts


def github(diagnostic: Diagnostic, root: Path | None = None) -> str:
    """One line: `::error title=archspec (SPEC010),file=a.yaml,line=3,col=5,endLine=3,endColumn=9::…`.

    root: the folder to which paths are relative; default: the workflow's workspace, or the working folder.
    """
    root = root or Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd())
    values = {"title": f"archspec ({diagnostic.code})"}
    span = diagnostic.span
    if span is not None:
        values |= {
            "file": path_from(span.path, root) or span.path, "line": f"{span.line}", "col": f"{span.column}",
            "endLine": f"{span.line}", "endColumn": f"{span.column + span.length}",
        }
    properties = ",".join(f"{name}={_property(value)}" for name, value in values.items())
    message, *others = facts(diagnostic)
    labels = [f"{label.text}: {label.span.path}:{label.span.line}:{label.span.column}" for label in diagnostic.related]
    return f"::{diagnostic.severity} {properties}::{_data(chr(10).join([message, *labels, *others]))}"


def _data(text: str) -> str:
    """The text, escaped for the runner, without control characters, which a terminal would obey."""
    shown = "".join(c for c in text if c.isprintable() or c == "\n")
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
