"""The learning rate as a function of the step, so a resumed run needs no scheduler state."""

from __future__ import annotations

import math
from collections.abc import Callable

from archspec.language.recipe import Recipe
from archspec.language.schedule import Cosine, OneCycle, Step

RateAt = Callable[[int], float]


def rate_schedule(recipe: Recipe, steps_per_epoch: int) -> RateAt:
    """A function from the step, counted from 0, to the learning rate.

    It equals these classes of torch.optim.lr_scheduler: StepLR and MultiStepLR, stepped every epoch; CosineAnnealingLR
    (T_max: the number of steps after the warm-up), OneCycleLR and, for the warm-up, LinearLR, stepped every step.
    A cosine starts when the warm-up ends; the epochs of a step schedule are counted from the start of the run.
    """
    total = recipe.epochs * steps_per_epoch
    warmup = warmup_steps(recipe, steps_per_epoch)
    after = _after_warmup(recipe, steps_per_epoch, total, warmup)

    def rate_at(step: int) -> float:
        if step < warmup:
            return recipe.lr * (step + 1) / (warmup + 1)
        return recipe.lr * after(step)

    return rate_at


def warmup_steps(recipe: Recipe, steps_per_epoch: int) -> int:
    """The number of steps before the full rate is reached, at most all steps of the run."""
    warmup = recipe.warmup
    steps = warmup.steps if warmup.steps is not None else round((warmup.epochs or 0) * steps_per_epoch)
    return min(steps, recipe.epochs * steps_per_epoch)


def _after_warmup(recipe: Recipe, steps_per_epoch: int, total: int, warmup: int) -> RateAt:
    """A function from a step after the warm-up to the factor of `lr`."""
    match recipe.schedule:
        case Step(every=every, at=at, factor=factor):
            return lambda step: factor ** _drops(step // steps_per_epoch, every, at)
        case Cosine(final=final):
            return lambda step: _cosine(1.0, final, (step - warmup) / max(1, total - warmup))
        case OneCycle(peak=peak, start=start, final=final):
            return lambda step: _one_cycle(step, peak * total - 1, total - 1, start, final)
        case _:
            return lambda step: 1.0


def _drops(epoch: int, every: int | None, at: tuple[int, ...] | None) -> int:
    return epoch // every if every else sum(epoch >= drop for drop in at or ())


def _one_cycle(step: int, top: float, end: int, start: float, final: float) -> float:
    """From `start` at step 0 to 1 at step `top` to `final` at step `end`, as in torch's OneCycleLR."""
    if step <= top:
        return _cosine(start, 1.0, step / top if top else 1.0)
    return _cosine(1.0, final, (step - top) / (end - top))


def _cosine(first: float, last: float, share: float) -> float:
    """Half a cosine from `first` at share 0 to `last` at share 1."""
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
