"""Advice that several verdicts share: the change that is most likely to help."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from archspec.language.finetuning import TRAINED
from archspec.ops.traits import RECTIFIED, SIGMOID, TANH
from archspec.train.doctor.edit import RECTIFIER
from archspec.train.doctor.finding import Evidence, rounded, short
from archspec.train.doctor.history import History, Jump, layers

if TYPE_CHECKING:
    from pydantic import JsonValue

ADAMS: Final = ("adam", "adamw")
ADAM_RATE: Final = 0.001  # Kingma & Ba 2015, algorithm 1
SGD_RATE: Final = 0.1
HIGHEST_RATE: Final = 5.0  # a fifth of a higher rate would still be too high
HIGHEST_WITH_RELU: Final = 1.0
SOUND_RATIO: Final = 1e-3  # norm of an update over the norm of the weight in runs that go well: order of magnitude
MOST_RAISED: Final = 10  # the largest factor for a rate, because the ratio is only a rough guide
MOST_AFTER_FAILURE: Final = 0.1  # the highest new rate after a failure, as a share of the old one


class Remedy(NamedTuple):
    """Advice in the imperative, and the change of spec or recipe that it describes, if any."""

    text: str
    change: Mapping[str, JsonValue] | None = None


def usual_rate(optimizer: str) -> float:
    """The usual initial learning rate of an optimizer."""
    return ADAM_RATE if optimizer in ADAMS else SGD_RATE


def rate_after_failure(lr: float, optimizer: str) -> float:
    """The rate to try after a loss became infinite or NaN at `lr`: the usual one, at most a tenth of `lr`."""
    return rounded(min(MOST_AFTER_FAILURE * lr, usual_rate(optimizer)))


def after_divergence(history: History) -> Remedy:
    """The advice to use `rate_after_failure`."""
    return _lower(rate_after_failure(history.lr, history.optimizer))


def lower_rate(history: History) -> Remedy:
    """The advice to start again with a lower rate."""
    if history.optimizer in ADAMS and history.lr > 3 * ADAM_RATE:
        text = f"start again with a lower rate: {history.optimizer}'s usual one is lr {ADAM_RATE:g}"
        return Remedy(text, {"train.lr": ADAM_RATE})
    highest = HIGHEST_WITH_RELU if _has_relu(history) else HIGHEST_RATE
    return _lower(rounded(history.lr / 5 if history.lr <= highest else SGD_RATE))


def _lower(rate: float) -> Remedy:
    return Remedy(f"start again with a lower rate: try lr {rate:g}, or a warm-up", {"train.lr": rate})


def raise_rate(history: History, ratio: float) -> Remedy:
    """The advice to raise the rate until updates are SOUND_RATIO of the weights, by MOST_RAISED at most.

    ratio: norm of an update over the norm of the weight now.
    """
    factor = SOUND_RATIO / ratio if ratio else inf
    rate = rounded(min(factor * history.lr, max(MOST_RAISED * history.lr, usual_rate(history.optimizer))))
    return Remedy(f"raise the rate: try lr {rate:g}", {"train.lr": rate})


def stronger_start(history: History) -> Remedy:
    """The advice to use what preserves the scale of signals and gradients through many layers."""
    norm = " or ".join(history.facts.norms)
    insert: Remedy = Remedy(f"add {norm} after the layers with weights", {"layers.norm": "batch_norm"})
    if history.facts.batch_norm or not norm:
        insert = Remedy("use fewer layers, or skip connections")
    if history.init == TRAINED or history.init.startswith("kaiming") or not (_has_relu(history) or _saturates(history)):
        return insert
    if _has_relu(history):
        return Remedy(
            f"set `init: kaiming_normal`, which is designed for ReLUs (He et al. 2015), or {insert.text}",
            {"train.init": "kaiming_normal"},
        )
    text = f"use {RECTIFIER} with `init: kaiming_normal`, or {insert.text}"
    return Remedy(text, {"layers.activation": RECTIFIER, "train.init": "kaiming_normal"})


def _has_relu(history: History) -> bool:
    return bool(layers(history.samples, (RECTIFIED.name,)))


def _saturates(history: History) -> bool:
    return bool(layers(history.samples, (SIGMOID.name, TANH.name)))


def first_jump(jump: Jump) -> Evidence:
    """Where the loss first jumped."""
    return Evidence(
        f"the loss first jumped at step {jump.step}, from {short(jump.before)} to {short(jump.after)}",
        {"step": jump.step, "loss_before": jump.before, "loss_after": jump.after},
    )


def first_loss(history: History) -> Evidence:
    """The first loss of the run."""
    step, loss = history.first + 1, history.losses[0]
    return Evidence(f"at step {step} the loss was {short(loss)}", {"first_step": step, "first_loss": loss})
