"""A repair of a text's syntax, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """Replace lines[line][start:end] with `text`. hole: the text is a placeholder for something unknown."""

    line: int
    start: int
    end: int
    text: str
    hole: bool = False


@dataclass(frozen=True, slots=True)
class Mend:
    """Changes that make a text readable.

    sure: no other repair is possible. whole: the content of the lines is kept, so mistakes in it are reported too.
    """

    changes: tuple[Change, ...]
    sure: bool = False
    whole: bool = False

    @property
    def is_edit(self) -> bool:
        """Whether the changes can be offered as a fix: they remove nothing."""
        return not any(c.hole for c in self.changes)
