"""The learning-rate range test: trains a copy of the network with a rising rate, and suggests a rate."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from typing import Final

import torch
from torch import nn

from archspec.backends.init import seeded, stream_seed
from archspec.data.batches import Batches, endless
from archspec.data.nested import Nested, joined
from archspec.diagnostics import error
from archspec.language.recipe import Recipe
from archspec.train.callbacks import Callback
from archspec.train.doctor.chance import chance_of
from archspec.train.doctor.constant import constant_loss, is_plain
from archspec.train.doctor.finding import Evidence, Finding, round_rate, short
from archspec.train.loop import FP32, train_epoch
from archspec.train.objective import Objective
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.step.precision import Settings, float32_products

RANGE_FORMAT: Final = 1
STEPS: Final = 100
RATES: Final = {"sgd": (1e-5, 10.0), "adam": (1e-6, 1.0), "adamw": (1e-6, 1.0)}  # of the first and last step
SMOOTHING: Final = 0.9  # weight of the earlier losses in the moving average
LOOK_EVERY: Final = 10  # steps
BLOWN: Final = 4.0  # times the lowest smoothed loss: above it, the test ends
FELL: Final = 0.015  # share by which the smoothed loss must fall below chance; its noise is a third of this
ROSE: Final = 1.25  # times the lowest smoothed loss
BELOW_LOWEST: Final = 10.0
FAR_BELOW: Final = 30.0  # larger than FAR_ABOVE, because a rate that is too low only takes longer


@dataclass(frozen=True, slots=True)
class RateRange:
    """The result of the test.

    rates, losses, smoothed: of each step, up to the end of the test. suggestion: a rate to train with; None if the loss
    did not fall. lowest: the rate of the lowest smoothed loss. too_high: the rate at which it has clearly risen.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None
    lowest: float | None
    too_high: float | None

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return {
            "format": RANGE_FORMAT, "rates": list(self.rates), "losses": list(self.losses),
            "smoothed_losses": list(self.smoothed), "suggestion": self.suggestion,
            "lowest_loss_at": self.lowest, "too_high_from": self.too_high,
        }


class _Enough(Exception):
    """Ends the test: higher rates would not change the result."""


class _Observer(Callback):
    """Records the targets, and ends the test when the loss is far too high."""

    def __init__(self) -> None:
        self.targets: list[Nested] = []

    def on_step(self, run: Run) -> None:
        self.targets.append(run.batch.y)
        if run.state.step % LOOK_EVERY == 0:
            losses = run.state.meter.losses().tolist()
            curve = smooth(losses)
            if not isfinite(losses[-1]) or curve[-1] > BLOWN * min(curve):
                raise _Enough


def rate_range(
    model: nn.Module,
    train: Batches,
    recipe: Recipe,
    *,
    device: torch.device,
    settings: Settings = FP32,
    steps: int = STEPS,
    objective: Objective | None = None,
) -> RateRange:
    """Train a copy of `model` for `steps` steps with an exponentially rising rate. `model` itself does not change.

    RATES spans the usual rates of the optimizer. The suggestion is a tenth of the rate at which the smoothed loss is
    lowest: at that rate the loss still falls, and training is not yet unstable.
    Source: Smith 2015, "Cyclical learning rates for training neural networks", section 3.3, which raises the rate
    linearly and uses the accuracy.
    Raises SpecError RUN310 if the first loss, which does not depend on the rate, is infinite or NaN.
    """
    low, high = RATES[recipe.optimizer]
    twin = copy.deepcopy(model)

    def rate_at(step: int) -> float:
        return float(low * (high / low) ** (step / max(1, steps - 1)))

    run = Run.create(twin, make_optimizer(twin, recipe, device), rate_at, device, recipe, steps, settings)
    run.objective = objective or run.objective
    observer = _Observer()
    with (
        seeded(stream_seed(recipe.seed, "rate range"), device), float32_products(settings.precision, device),
        closing(endless(train)) as batches, suppress(_Enough),
    ):
        train_epoch(run, islice(batches, steps), (observer,))
    losses = run.state.meter.losses().tolist()
    finite = next((k for k, loss in enumerate(losses) if not isfinite(loss)), len(losses))
    if not finite:
        raise error(
            "RUN310", f"the loss is {losses[0]} at the first step of the rate-range test, before any update",
            hint="check the inputs (`normalize`) and the initialisation (`init`)",
        )
    rates = [rate_at(k) for k in range(finite)]
    return judge(rates, losses[:finite], _chance_loss(run.objective, joined(observer.targets)) or losses[0])


def _chance_loss(objective: Objective, targets: Nested) -> float | None:
    """The loss of one answer for all images; None where it is not known."""
    if not is_plain(objective) or targets.ndim > 1:
        return constant_loss(objective, targets)
    chance = chance_of(Counter(targets.tolist()))
    return None if chance is None else chance.loss


def judge(rates: Sequence[float], losses: Sequence[float], chance: float) -> RateRange:
    """The result for a measured curve.

    rates: rising. losses: all finite. chance: the loss of a constant prediction.
    """
    curve = smooth(losses)
    bottom = min(range(len(curve)), key=curve.__getitem__)
    fell = curve[bottom] <= (1 - FELL) * min(curve[0], chance)
    risen = next((k for k in range(bottom, len(curve)) if curve[k] > ROSE * curve[bottom]), None)
    return RateRange(
        tuple(rates), tuple(losses), tuple(curve),
        suggestion=rates[bottom] / BELOW_LOWEST if fell else None,
        lowest=rates[bottom] if fell else None,
        too_high=None if risen is None else rates[risen],
    )


def far_rate(test: RateRange, rate: float) -> Finding | None:
    """The finding RUN351 for a rate that is far from the suggestion, or at which the loss rises; None otherwise."""
    highest = test.lowest if test.lowest is not None else test.too_high
    facts = []
    if test.suggestion is not None and test.lowest is not None:
        facts.append(Evidence(
            f"the smoothed loss is lowest at rate {short(test.lowest, 2)}, a tenth of which is the suggestion",
            {"lowest_loss_at": test.lowest, "suggestion": test.suggestion},
        ))
    if test.too_high is not None:
        facts.append(Evidence(f"it has risen at rate {short(test.too_high, 2)}", {"too_high_from": test.too_high}))
    if highest is not None and rate >= highest:
        better = test.suggestion if test.suggestion is not None else highest / BELOW_LOWEST
        title = f"the rate {short(rate)} is far above the suggestion of the range test"
    elif test.suggestion is not None and rate < test.suggestion / FAR_BELOW:
        better = test.suggestion
        title = f"the rate {short(rate)} is far below the suggestion of the range test"
    else:
        return None
    return Finding("RUN351", 0, title, tuple(facts), f"try lr {round_rate(better)}", sure=True)


def smooth(losses: Sequence[float]) -> list[float]:
    """An exponential moving average with bias correction (Kingma & Ba 2015, section 3)."""
    curve, mean = [], 0.0
    for k, loss in enumerate(losses, start=1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        curve.append(mean / (1 - SMOOTHING**k))
    return curve
