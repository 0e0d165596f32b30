"""The change most likely to help, as far as several verdicts share it."""

from __future__ import annotations

from typing import Final

from archspec.train.doctor.finding import Evidence, round_rate, short
from archspec.train.doctor.history import History, Jump, layers

ADAMS: Final = ("adam", "adamw")
ADAM_RATE: Final = 0.001  # Kingma & Ba 2015, algorithm 1
SGD_RATE: Final = 0.1
HIGHEST_RATE: Final = 5.0  # a fifth of a higher one would still be too high
HIGHEST_WITH_RELU: Final = 1.0
SOUND_RATIO: Final = 1e-3  # update over weight in runs that go well, as an order of magnitude
MOST_RAISED: Final = 30  # times: the ratio is too rough a guide for more


def lower_rate(history: History) -> str:
    """A lower rate to start again with."""
    if history.optimizer in ADAMS and history.lr > 3 * ADAM_RATE:
        return f"start again with a lower rate: {history.optimizer}'s usual one is lr {ADAM_RATE:g}"
    highest = HIGHEST_WITH_RELU if _has_relu(history) else HIGHEST_RATE
    lower = history.lr / 5 if history.lr <= highest else SGD_RATE
    return f"start again with a lower rate: try lr {round_rate(lower)}, or a warm-up"


def raise_rate(history: History, ratio: float) -> str:
    """A higher rate, such that updates become SOUND_RATIO of the weights."""
    factor = min(MOST_RAISED, SOUND_RATIO / ratio) if ratio else MOST_RAISED
    text = f"try lr {round_rate(history.lr * factor)}"
    if _has_relu(history) and not history.init.startswith("kaiming"):
        return f"set `init: kaiming_normal`, which is made for ReLUs, or raise the rate: {text}"
    return f"raise the rate: {text}"


def stronger_start(history: History) -> str:
    """What keeps signals and gradients at their size through many layers."""
    if _has_relu(history) and not history.init.startswith("kaiming"):
        return "set `init: kaiming_normal`, which is made for ReLUs (He et al. 2015), or add batch_norm2d"
    if layers(history.samples, ("sigmoid", "tanh")):
        first = "" if history.init.startswith("xavier") else "set `init: xavier_uniform`, "
        return f"{first}use relu with `init: kaiming_normal` for sigmoid and tanh, or add batch_norm2d"
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
