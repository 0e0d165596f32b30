"""Several diagnostics as one value, which prints as the command line prints them."""

from __future__ import annotations

from typing import Any, Final

from archspec.diagnostics import Diagnostic, plural
from archspec.text import clean

# role of a piece of a diagnostic's text → classes of `printing.html.STYLE`
_CLASSES: Final = {
    "message": "b", "gutter": "u", "primary": "b r", "label": "b u", "note": "u", "hint": "g", "source": "", "text": "",
}


class Diagnostics(tuple[Diagnostic, ...]):
    """A tuple of diagnostics. `print` shows them as `archspec validate` does, and a notebook with colours."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n\n".join([*(clean(str(diagnostic)) for diagnostic in self), self._summary])

    @property
    def _summary(self) -> str:
        """`valid`, `2 errors`, `1 error, 1 warning`."""
        errors = sum(diagnostic.severity == "error" for diagnostic in self)
        parts = [plural(errors, "error")] if errors else ["valid"]
        return ", ".join([*parts, *([plural(len(self) - errors, "warning")] if len(self) > errors else [])])

    def _repr_html_(self) -> str:
        from archspec.diagnostics.text import lines
        from archspec.printing import html

        parts = []
        for diagnostic in self:
            severity = "b y" if diagnostic.severity == "warning" else "b r"
            classes = _CLASSES | {"severity": severity}
            text = ([(classes[role], clean(piece)) for role, piece in line] for line in lines(diagnostic))
            parts.append(html.lines(text, wrap=False))  # carets stay below what they mark
        parts.append(html.lines([[("r" if self._summary != "valid" else "g", self._summary)]]))
        return html.section(*parts)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For IPython in a terminal."""
        printer.text("…" if cycle else str(self))
