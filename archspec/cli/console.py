"""What the commands print with: colour where it is wanted, text without control characters, numbers with units."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, TextIO

from archspec.diagnostics import Diagnostic, wrapped

if TYPE_CHECKING:
    from rich.console import Console

    from archspec.diagnostics.text import Line

RED, GREEN, YELLOW, BLUE, CYAN, BOLD, DIM = "31", "32", "33", "34", "36", "1", "2"
WIDE: Final = 200  # where no terminal cuts the lines, nothing need be left out
_STYLES: Final[dict[str, tuple[str, ...]]] = {  # of the pieces of a diagnostic's text
    "message": (BOLD,), "gutter": (BLUE,), "primary": (BOLD, RED), "label": (BOLD, BLUE), "note": (CYAN,),
    "hint": (GREEN,), "source": (), "text": (),
}
_BREAKS: Final = frozenset({"severity", "note", "hint"})  # lines that may be broken have a piece of these


def coloured(stream: TextIO) -> bool:
    """Whether to colour what goes to this stream: a terminal that can, and no NO_COLOR (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def line_width(stream: TextIO) -> int | None:
    """Columns of the terminal that the stream goes to; None where there is no terminal, and lines stay whole."""
    if not stream.isatty():
        return None
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns or shutil.get_terminal_size().columns


def result_console() -> Console:
    """For tables on stdout: as wide as the terminal, plain text where there is none."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(
        width=None if terminal else WIDE, color_system="auto" if coloured(sys.stdout) else None, highlight=False
    )


def clean(text: str) -> str:
    """The text with control characters written out: a file's name or a spec's key must not steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n " else c.encode("unicode_escape").decode() for c in text)


def styled(text: str, *styles: str, on: bool) -> str:
    """The text in these styles (SGR numbers) if `on`."""
    return f"\x1b[{';'.join(styles)}m{text}\x1b[0m" if on and text else text


def tell(message: str, *, hint: str | None = None) -> None:
    """A line for the user, on stderr, and a hint below it; on a terminal as wide as that is."""
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
    """Each line of the text broken to fit; all as it is where there is no width."""
    return text if width is None else "\n".join(wrapped(line, width, indent) for line in text.split("\n"))


def print_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Each diagnostic on stderr, an empty line after it."""
    sys.stdout.flush()  # so that the two streams mix in order where both go to one place
    colour, width = coloured(sys.stderr), line_width(sys.stderr)
    for diagnostic in diagnostics:
        sys.stderr.write(diagnostic_text(diagnostic, colour=colour, width=width) + "\n\n")


def diagnostic_text(diagnostic: Diagnostic, *, colour: bool, width: int | None = None) -> str:
    """A diagnostic as it is shown on a terminal: `render`'s text, cleaned, coloured and broken to a width if wished.

    The line of a source is never broken: the caret below it would point elsewhere.
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
    for role, text in line[:-1]:  # the last piece takes the line breaks
        painted += styled(whole[: len(clean(text))], *styles[role], on=bool(styles[role]))
        whole = whole[len(clean(text)) :]
    return painted + styled(whole, *styles[roles[-1]], on=bool(styles[roles[-1]]))
