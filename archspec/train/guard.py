"""Ends a run whose loss has ceased to be a number."""

from __future__ import annotations

import math
import time
from typing import Final

from archspec.diagnostics import SpecError, error
from archspec.train.run import Run, Watcher

CHECK_S: Final = 0.5  # to look at the losses means to wait for the device


class LossGuard(Watcher):
    """Raises SpecError RUN310 for an infinite or undefined loss, within half a second of it."""

    def __init__(self) -> None:
        self._next = 0.0

    def on_step(self, run: Run) -> None:
        """Look at the losses twice a second, and at an epoch's last step."""
        if run.step % run.steps_per_epoch and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + CHECK_S
        bad = run.meter.first_non_finite()
        if bad is not None:
            raise _broken(run, bad)

    def on_epoch(self, run: Run) -> None:
        """The last update of an epoch shows in the test loss."""
        result = run.results[-1]
        if not math.isfinite(result.test_loss):
            raise error(
                "RUN310",
                f"the test loss is {result.test_loss} after epoch {result.epoch} of {run.recipe.epochs}",
                hint=_hint(run, run.step - 1),
            )


def _broken(run: Run, bad: int) -> SpecError:
    losses = run.meter.losses()
    before = ", ".join(f"{loss:.3g}" for loss in losses[max(0, bad - 3) : bad].tolist())
    place = f"step {bad + 1} of {run.steps_per_epoch} in epoch {run.epoch + 1} of {run.recipe.epochs}"
    return error(
        "RUN310",
        f"the loss is {losses[bad].item()} at {place}",
        notes=[f"the losses just before it: {before}"] if before else [],
        hint=_hint(run, run.epoch * run.steps_per_epoch + bad),
    )


def _hint(run: Run, step: int) -> str:
    return f"the rate was {run.rate_at(step):g} there: try lr {run.recipe.lr / 10:g}, or a warm-up"
