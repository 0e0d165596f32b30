"""The verdict on a run that ends before the cause of its failure can be known."""

from __future__ import annotations

from typing import Final

from archspec.language.loss import FIGURES
from archspec.train.doctor.advice import Remedy, lower_rate
from archspec.train.doctor.chance import at_chance, chance_in, steps_at_chance
from archspec.train.doctor.finding import Evidence, Finding
from archspec.train.doctor.history import History
from archspec.train.doctor.trouble import TIMES

LUCK: Final = 0.05  # accuracy above chance that a network without any learning may reach on a small split


def ends_at_chance(history: History) -> Finding | None:
    """At its end the network is no better than a constant prediction, in training and evaluation."""
    chance = chance_in(history)
    if chance is None or not history.epochs:
        return None
    steps, result = steps_at_chance(history, chance), history.epochs[-1]
    if not steps or result.evaluated_accuracy > chance.accuracy + LUCK:
        return None
    split, metric = result.split, result.metric
    tested = Evidence(
        f"the {split} {FIGURES[metric].title} is {result.figure(metric):.3f}",
        {f"{split}_{metric}": result.figure(metric), f"{split}_loss": result.evaluated_loss},
    )
    grown = history.last(steps).loss >= TIMES * max(history.losses[0], chance.loss)
    longer = Remedy("train for more epochs, or let `--find-lr` suggest a rate")
    text, change = lower_rate(history) if grown else longer
    return Finding(
        "RUN352", history.step, f"the run ends at chance: {history.step} steps are too few to say why",
        (at_chance(history, chance, steps), tested), text, change=change,
    )
