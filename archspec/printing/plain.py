"""What rich prints, as plain text."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from archspec.diagnostics import wrapped

if TYPE_CHECKING:
    from rich.console import Console

WIDTH: Final = 80
NARROW: Final = 100  # a terminal below this many columns has no room for all that tables show
TIGHT: Final = (0, 1, 0, 0)  # padding of cells: two spaces between columns instead of three
PIPED: Final = 200  # the width if there is no terminal: nothing is left out
UNLIMITED: Final = 10_000  # the width of a notebook, which wraps lines itself


def console_of(**options: Any) -> Console:
    """A console that prints texts as they are: what names of files and networks contain is neither markup nor emoji."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, **options)


def show_lines(console: Console, text: str, style: str = "") -> None:
    """Print lines; a long one is broken between words, and its rest indented. Those of a pipe stay whole."""
    from rich.text import Text

    if console.is_terminal or console.width < PIPED:
        text = "\n".join(wrapped(line, console.width, 2) for line in text.split("\n"))
    console.print(Text(text, style=style), soft_wrap=True)


def plain_text(show: Callable[[Console], None], width: int = WIDTH) -> str:
    """The text that `show` prints, without colours and without spaces at the ends of lines."""
    file = io.StringIO()
    show(console_of(file=file, width=width, color_system=None, force_terminal=False))
    return "\n".join(line.rstrip() for line in file.getvalue().rstrip("\n").split("\n"))
