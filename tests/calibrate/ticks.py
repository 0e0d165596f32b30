"""A clock of the tests' own, and kernels of which half cannot run."""

from __future__ import annotations

from collections.abc import Callable

from archspec.calibrate.sample import Sample
from archspec.devices.work import Work


class Ticks:
    """A clock on which every reading is `step` seconds after the last."""

    def __init__(self, step: float = 0.001) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def half_broken(number: int) -> list[Sample]:
    """So many kernels of curve `a/fp32`, and as many of `b/fp32` that this machine has no kernel for, by turns."""
    def broken() -> Callable[[], object]:
        raise RuntimeError("not implemented for 'Half'")

    work = Work("elementwise", False, 8, 0, 1)
    return [Sample("a", "a/fp32", work, lambda: lambda: None), Sample("b", "b/fp32", work, broken)] * number
