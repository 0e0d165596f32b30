"""The figures of two networks, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archspec.printing.figures import TITLES

Number = int | float


@dataclass(frozen=True, slots=True)
class FigureChange:
    """One figure of both networks. None: the network does not have it."""

    name: str
    before: Number | None
    after: Number | None

    @property
    def change(self) -> Number | None:
        """After minus before."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def ratio(self) -> float | None:
        """After divided by before; None if before is 0."""
        return None if self.after is None or not self.before else self.after / self.before

    @property
    def title(self) -> str:
        """What a text calls it."""
        return TITLES.get(self.name, self.name)

    def to_json(self) -> dict[str, Any]:
        """Before, after, and how they differ."""
        return {"before": self.before, "after": self.after, "change": self.change, "ratio": self.ratio}


def figure_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FigureChange, ...]:
    """The numbers of two `totals`, those with a title first."""
    names = [*TITLES, *(name for name in {**before, **after} if name not in TITLES)]
    pairs = ((name, _number(before.get(name)), _number(after.get(name))) for name in names)
    return tuple(FigureChange(name, a, b) for name, a, b in pairs if a is not None or b is not None)


def _number(value: object) -> Number | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
