"""Diagnostics: a stable code, places, facts, and a hint as data.

`model` is the data; `text`, `sarif` and `github` print it; `edits` applies fixes to a text; `codes` explains each code.
"""

from archspec.diagnostics.model import (
    SHOWN_WIDTH,
    WARNINGS,
    Diagnostic,
    Edit,
    Fix,
    Hint,
    Label,
    SourceSpan,
    SpecError,
    error,
    render,
)
from archspec.diagnostics.wording import listing, nearest, one_line, plural, wrapped

__all__ = [
    "SHOWN_WIDTH", "WARNINGS", "Diagnostic", "Edit", "Fix", "Hint", "Label", "SourceSpan", "SpecError", "error",
    "listing", "nearest", "one_line", "plural", "render", "wrapped",
]
