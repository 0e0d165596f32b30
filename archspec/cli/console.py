"""Helpers to print: colours, text without control characters, wrapping."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, TextIO

from archspec.diagnostics import Diagnostic, wrapped
from archspec.text import clean

if TYPE_CHECKING:
    from rich.console import Console

    from archspec.diagnostics.text import Line

RED, GREEN, YELLOW, BLUE, CYAN, BOLD, DIM = "31", "32", "33", "34", "36", "1", "2"
_STYLES: Final[dict[str, tuple[str, ...]]] = {  # role of a piece of a diagnostic's text → SGR numbers
    "message": (BOLD,), "gutter": (BLUE,), "primary": (BOLD, RED), "label": (BOLD, BLUE), "note": (CYAN,),
    "hint": (GREEN,), "source": (), "text": (),
}
_BREAKS: Final = frozenset({"severity", "note", "hint"})  # lines that may be wrapped have one of these pieces


def coloured(stream: TextIO) -> bool:
    """Whether to colour this stream: it is a terminal with colours, and NO_COLOR (no-color.org) is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def line_width(stream: TextIO) -> int | None:
    """The columns of the stream's terminal. None if it has no terminal; lines are then not wrapped."""
    if not stream.isatty():
        return None
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns or shutil.get_terminal_size().columns


def result_console() -> Console:
    """The console for tables on stdout: as wide as the terminal; plain text if there is none."""
    from archspec.printing.plain import PIPED, console_of

    terminal = sys.stdout.isatty()
    return console_of(width=None if terminal else PIPED, color_system="auto" if coloured(sys.stdout) else None)


def styled(text: str, *styles: str, on: bool) -> str:
    """The text in these styles (SGR numbers) if `on`."""
    return f"\x1b[{';'.join(styles)}m{text}\x1b[0m" if on and text else text


def tell(message: str, *, hint: str | None = None) -> None:
    """Print a line for the user to stderr, with a hint below it. On a terminal it is wrapped."""
    colour, width = coloured(sys.stderr), line_width(sys.stderr)
    message = _fitted(clean(message), width)
    head, colon, rest = message.partition(": ")
    if colon and head.endswith("error"):
        message = styled(head, BOLD, RED, on=colour) + styled(colon + rest, BOLD, on=colour)
    sys.stderr.write(message + "\n")
    if hint is not None:
        text = _fitted(f"  = hint: {clean(hint)}", width, 4).removeprefix("  = hint:")
        sys.stderr.write(f"  {styled('= hint:', CYAN, on=colour)}{text}\n")


def _fitted(text: str, width: int | None, indent: int = 2) -> str:
    """The text with each line wrapped to the width, if there is one."""
    return text if width is None else "\n".join(wrapped(line, width, indent) for line in text.split("\n"))


def print_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Print each diagnostic to stderr, followed by an empty line."""
    sys.stdout.flush()  # keeps the order if both streams go to the same place
    colour, width = coloured(sys.stderr), line_width(sys.stderr)
    for diagnostic in diagnostics:
        sys.stderr.write(diagnostic_text(diagnostic, colour=colour, width=width) + "\n\n")


def diagnostic_text(diagnostic: Diagnostic, *, colour: bool, width: int | None = None) -> str:
    """A diagnostic for a terminal: `render`'s text, cleaned, and coloured and wrapped on request.

    Source lines are never wrapped: the caret below would point to the wrong place.
    """
    from archspec.diagnostics.text import lines

    return "\n".join(_line(line, diagnostic, colour, width) for line in lines(diagnostic))


def _line(line: Line, diagnostic: Diagnostic, colour: bool, width: int | None) -> str:
    roles, texts = zip(*line, strict=True)
    whole = clean("".join(texts))
    if _BREAKS.intersection(roles):
        whole = _fitted(whole, width, 2 if "severity" in roles else 6)
    if not colour:
        return whole
    styles = _STYLES | {"severity": (BOLD, YELLOW if diagnostic.severity == "warning" else RED)}
    painted = ""
    for role, text in line[:-1]:  # line breaks are inserted only in the last piece
        painted += styled(whole[: len(clean(text))], *styles[role], on=bool(styles[role]))
        whole = whole[len(clean(text)) :]
    return painted + styled(whole, *styles[roles[-1]], on=bool(styles[roles[-1]]))
