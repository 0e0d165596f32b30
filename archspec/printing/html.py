"""Small pieces of HTML for notebooks. Colours come from the page, so that they suit a light and a dark one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

Cell = Sequence[tuple[str, str]]  # pieces: classes of the style, text

# Text and page have no colour of their own: lines and dim text take the page's, the others are readable on both.
STYLE: Final = (
    "<style>.archspec{line-height:1.4;max-width:100%;overflow-x:auto}"
    ".archspec table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.4em 0}"
    ".archspec th,.archspec td{background:none;border:0;color:inherit;padding:.1em .9em .1em 0;text-align:right;"
    "vertical-align:top;white-space:pre}"
    ".archspec .l{text-align:left}.archspec thead th{border-bottom:1px solid;font-weight:600}"
    ".archspec tfoot td{border-top:1px solid;font-weight:600}"
    ".archspec pre{background:none;color:inherit;margin:.4em 0;padding:0;white-space:pre-wrap;line-height:1.35}"
    ".archspec pre.n{white-space:pre}.archspec .d{opacity:.65}.archspec .b{font-weight:600}.archspec .r{color:#d1453b}"
    ".archspec .g{color:#2a9150}.archspec .y{color:#a97014}.archspec .u{color:#3b82d6}</style>"
)


def section(*parts: str) -> str:
    """The parts as one piece of HTML with its style."""
    return f'<div class="archspec">{STYLE}{"".join(parts)}</div>'


def table(head: Sequence[Cell], rows: Iterable[Sequence[Cell]], *, left: Sequence[int] = (0,),
          foot: Sequence[Cell] = ()) -> str:
    """A table. left: the columns that are not numbers. foot: the last row, such as totals."""
    def row(cells: Sequence[Cell], tag: str) -> str:
        return "<tr>" + "".join(
            f"<{tag}{_class('l' if k in left else '')}>{_text(cell)}</{tag}>" for k, cell in enumerate(cells)
        ) + "</tr>"

    top = f"<thead>{row(head, 'th')}</thead>" if head else ""
    end = f"<tfoot>{row(foot, 'td')}</tfoot>" if foot else ""
    return f"<table>{top}<tbody>{''.join(row(cells, 'td') for cells in rows)}</tbody>{end}</table>"


def lines(found: Iterable[Cell], *, wrap: bool = True) -> str:
    """Lines of text, without empty ones at their start and end. wrap: whether a narrow page may wrap them."""
    return f"<pre{_class('' if wrap else 'n')}>{chr(10).join(map(_text, found)).strip(chr(10))}</pre>"


def _text(cell: Cell) -> str:
    return "".join(f"<span{_class(kind)}>{escape(text)}</span>" if kind else escape(text) for kind, text in cell)


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
