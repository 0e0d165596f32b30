"""What tests of reading texts share."""

from __future__ import annotations

from archspec.diagnostics import SpecError
from archspec.source import Limits, parse

EXAMPLE = """\
archspec: 1
name: tiny  # a comment
stages:
  b1:
    - conv2d: {out_channels: 64, kernel_size: [3, 5]}
    - relu
  head: {linear: $n}
"""


def mistakes(text, **limits):
    """(code, line, column, message) of all that reading the text tells."""
    try:
        found = parse(text, "t.yaml", Limits(**limits)).errors
    except SpecError as exc:
        found = exc.diagnostics
    return [(d.code, d.span and d.span.line, d.span and d.span.column, d.message) for d in found]


def hints(text):
    try:
        found = parse(text, "t.yaml").errors
    except SpecError as exc:
        found = exc.diagnostics
    return [d.hint for d in found]


def marked(document, path=(), **where):
    """The text that a span covers."""
    span = document.span(path, **where)
    return span.text[span.column - 1 : span.column - 1 + span.length]
