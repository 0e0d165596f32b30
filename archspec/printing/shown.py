"""Results that print as the command line prints them, and that a notebook shows as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


class Shown:
    """A base of results: a subclass says once how it is shown, for a terminal, as plain text and as HTML.

    rich is imported only when something is shown.
    """

    __slots__ = ()

    def show(self, console: Console) -> None:
        """Print it to a console of rich."""
        raise NotImplementedError

    def pictures(self) -> list[str]:
        """Pictures for a notebook, below the text, as SVG."""
        return []

    def __str__(self) -> str:
        from archspec.printing.plain import plain_text

        return plain_text(self.show)

    def _repr_html_(self) -> str:
        from archspec.printing.notebook import html_of

        return html_of(self.show, self.pictures())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For IPython in a terminal."""
        printer.text("…" if cycle else str(self))
