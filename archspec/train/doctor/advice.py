"""The change most likely to help, as far as several verdicts share it."""

from __future__ import annotations

from math import inf
from typing import Final

from archspec.train.doctor.finding import Evidence, round_rate, short
from archspec.train.doctor.history import History, Jump, layers

ADAMS: Final = ("adam", "adamw")
ADAM_RATE: Final = 0.001  # Kingma & Ba 2015, algorithm 1
SGD_RATE: Final = 0.1
HIGHEST_RATE: Final = 5.0  # a fifth of a higher one would still be too high
HIGHEST_WITH_RELU: Final = 1.0
SOUND_RATIO: Final = 1e-3  # update over weight in runs that go well, as an order of magnitude
MOST_RAISED: Final = 30  # times: the ratio is too rough a guide for more, unless the rate stays below the usual one
MOST_AFTER_FAILURE: Final = 0.1  # of a rate with which a run has failed


def usual_rate(optimizer: str) -> float:
    """What one begins with."""
    return ADAM_RATE if optimizer in ADAMS else SGD_RATE


def rate_after_failure(lr: float, optimizer: str) -> float:
    """The rate to try where losses ceased to be numbers at `lr`: the usual one, or a tenth of what failed."""
    return min(MOST_AFTER_FAILURE * lr, usual_rate(optimizer))


def lower_rate(history: History) -> str:
    """A lower rate to start again with."""
    if history.optimizer in ADAMS and history.lr > 3 * ADAM_RATE:
        return f"start again with a lower rate: {history.optimizer}'s usual one is lr {ADAM_RATE:g}"
    highest = HIGHEST_WITH_RELU if _has_relu(history) else HIGHEST_RATE
    lower = history.lr / 5 if history.lr <= highest else SGD_RATE
    return f"start again with a lower rate: try lr {round_rate(lower)}, or a warm-up"


def raise_rate(history: History, ratio: float) -> str:
    """A higher rate, such that updates become SOUND_RATIO of the weights, as far as that is no wild guess."""
    factor = SOUND_RATIO / ratio if ratio else inf
    highest = max(MOST_RAISED * history.lr, usual_rate(history.optimizer))
    text = f"raise the rate: try lr {round_rate(min(factor * history.lr, highest))}"
    if factor <= MOST_RAISED and _has_relu(history) and not history.init.startswith("kaiming"):
        return f"{text}, or set `init: kaiming_normal`, which is made for ReLUs"
    return text  # no start makes up for more


def stronger_start(history: History) -> str:
    """What keeps signals and gradients at their size through many layers."""
    if _has_relu(history) and not history.init.startswith("kaiming"):
        return "set `init: kaiming_normal`, which is made for ReLUs (He et al. 2015), or add batch_norm2d"
    if layers(history.samples, ("sigmoid", "tanh")):
        first = "" if history.init.startswith("xavier") else "set `init: xavier_uniform` for sigmoid and tanh, "
        return f"{first}use relu with `init: kaiming_normal`, or add batch_norm2d"
    return "add batch_norm2d after the convolutions" + (
        "" if history.init.startswith("kaiming") else ", or set `init: kaiming_normal`"
    )


def _has_relu(history: History) -> bool:
    return bool(layers(history.samples, ("relu",)))


def jumped(jump: Jump) -> Evidence:
    """Where the loss first went up at once."""
    return Evidence(
        f"the loss first jumped at step {jump.step}, from {short(jump.before)} to {short(jump.after)}",
        {"step": jump.step, "loss_before": jump.before, "loss_after": jump.after},
    )


def began(history: History) -> Evidence:
    """The first loss seen."""
    step, loss = history.first + 1, history.losses[0]
    return Evidence(f"at step {step} the loss was {short(loss)}", {"first_step": step, "first_loss": loss})
