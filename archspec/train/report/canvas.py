"""Draws curves as text: with Braille dots, or with asterisks if the terminal does not support them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # rows by columns of U+2800


class Canvas:
    """A canvas of `width` × `height` characters, with 2 × 4 dots each."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._dots = [[False] * (2 * width) for _ in range(4 * height)]

    def line(self, points: Sequence[tuple[float, float]]) -> None:
        """Draw a line through the points; (0, 0) is the lower left corner, (1, 1) the upper right corner."""
        rows, columns = len(self._dots) - 1, len(self._dots[0]) - 1
        places = [(round(x * columns), round((1 - y) * rows)) for x, y in points]
        for (x0, y0), (x1, y1) in zip(places, [*places[1:], *places[-1:]], strict=True):
            for k in range(n := max(abs(x1 - x0), abs(y1 - y0), 1)):
                self._dots[round(y0 + (y1 - y0) * k / n)][round(x0 + (x1 - x0) * k / n)] = True

    def rows(self, *, ascii_only: bool = False) -> list[str]:
        """The lines of text, from top to bottom."""
        return ["".join(_character(cell, ascii_only) for cell in row) for row in self._cells()]

    def _cells(self) -> Iterable[list[int]]:
        """The dots of each character, as the bits of its Braille code."""
        for y in range(0, 4 * self.height, 4):
            yield [
                sum(DOTS[r][c] for r in range(4) for c in range(2) if self._dots[y + r][x + c])
                for x in range(0, 2 * self.width, 2)
            ]


def _character(cell: int, ascii_only: bool) -> str:
    if not cell:
        return " "
    return "*" if ascii_only else chr(0x2800 + cell)
