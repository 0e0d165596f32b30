"""A clock of the tests' own."""

from __future__ import annotations


class Ticks:
    """A clock on which every reading is `step` seconds after the last."""

    def __init__(self, step: float = 0.001) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now
