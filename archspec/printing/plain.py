"""What rich prints, as plain text."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

WIDTH: Final = 80
UNLIMITED: Final = 10_000  # the width of a notebook, which wraps lines itself


def plain_text(show: Callable[[Console], None], width: int = WIDTH) -> str:
    """The text that `show` prints, without colours and without spaces at the ends of lines."""
    from rich.console import Console

    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, force_terminal=False, highlight=False)
    show(console)
    return "\n".join(line.rstrip() for line in file.getvalue().rstrip("\n").split("\n"))
