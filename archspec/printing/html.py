"""Small pieces of HTML for notebooks. Colours come from the page, so that they suit a light and a dark one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

# No colour of text or page is set: lines and dim text are the page's own, red and green are readable on both.
STYLE: Final = (
    "<style>.archspec{line-height:1.4;max-width:100%;overflow-x:auto}.archspec p{margin:.4em 0}"
    ".archspec table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.5em 0}"
    ".archspec th,.archspec td{background:none;border:0;color:inherit;padding:.15em .8em .15em 0;text-align:right;"
    "vertical-align:top;white-space:nowrap}"
    ".archspec .l{text-align:left}.archspec .w{white-space:normal}"
    ".archspec thead th{border-bottom:1px solid;font-weight:600}"
    ".archspec tfoot td{border-top:1px solid;font-weight:600}"
    ".archspec pre{background:none;color:inherit;margin:.5em 0;white-space:pre;line-height:1.25}"
    ".archspec .d{opacity:.65}.archspec .b{font-weight:600}.archspec .r{color:#d1453b}.archspec .g{color:#2e9e54}"
    ".archspec .y{color:#b7791f}.archspec .u{color:#3b82d6}</style>"
)


def section(*parts: str) -> str:
    """The parts as one piece of HTML with its style."""
    return f'<div class="archspec">{STYLE}{"".join(parts)}</div>'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph. kind: a class of the style."""
    return f"<p{_class(kind)}>{escape(text)}</p>"


def span(text: str, kind: str) -> str:
    """Text with a class of the style."""
    return f"<span{_class(kind)}>{escape(text)}</span>"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, left: Sequence[int] = (0,), foot: Sequence[str] = ()
) -> str:
    """A table of texts. left: the columns that are not numbers. foot: the last row, such as totals."""
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(
            f"<{tag}{_class('l' if k in left else '')}>{escape(cell)}</{tag}>" for k, cell in enumerate(cells)
        ) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    end = f"<tfoot>{row(foot, 'td')}</tfoot>" if foot else ""
    return f"<table><thead>{row(head, 'th')}</thead><tbody>{body}</tbody>{end}</table>"


def lines(pieces: Iterable[Iterable[tuple[str, str]]]) -> str:
    """Lines of fixed width; each line is pieces of (class, text)."""
    text = "\n".join("".join(span(part, kind) if kind else escape(part) for kind, part in line) for line in pieces)
    return f"<pre>{text}</pre>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
