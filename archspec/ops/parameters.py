"""The tensors that an op keeps: the one place that knows its weights.

Counts, weight decay, initialisation, memory, and the names in a `state_dict` follow from `Operation.parameters`, which
makes them with `projection`, `learned` and `buffer`. When a network is built they are held against its modules.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple


class Kernel(NamedTuple):
    """Drawn evenly within ±1/√fan_in, or by the rule of the recipe's `init: {weights: …}`."""

    fan_in: int


class Glorot(NamedTuple):
    """Drawn evenly within ±√(6/(fan_in + fan_out)), or by the recipe's rule for weights (Glorot & Bengio 2010)."""

    fan_in: int
    fan_out: int


class Bias(NamedTuple):
    """Drawn evenly within ±1/√fan_in, the kernel's; 0 by the recipe's `init: {biases: zeros}`."""

    fan_in: int


class Normal(NamedTuple):
    """Drawn from the normal distribution with mean 0."""

    std: float


class TruncatedNormal(NamedTuple):
    """Drawn from the normal distribution with mean 0, without the values beyond ±2."""

    std: float


class Computed(NamedTuple):
    """Made by the op's module, and left as it is."""


Init = float | Kernel | Glorot | Bias | Normal | TruncatedNormal | Computed  # a number: every element has that value


class ParamSpec(NamedTuple):
    """One tensor of an op. Its name is the attribute's in the op's module.

    learned: a parameter, else a buffer such as a running mean. decays: whether weight decay reaches it where a recipe
    has `decay_norm_and_bias: false`.
    """

    shape: tuple[int, ...]
    init: Init
    learned: bool = True
    decays: bool = False
    dtype: str = "float32"

    @property
    def numel(self) -> int:
        """Number of elements."""
        return prod(self.shape)


def projection(shape: tuple[int, ...], outputs: int, *, bias: bool) -> dict[str, ParamSpec]:
    """`weight` and, if wanted, `bias` of a linear map or convolution.

    shape: the weight's. As in torch, fan_in is the product of all its dimensions but the first.
    """
    fan_in = prod(shape[1:])
    specs = {"weight": ParamSpec(shape, Kernel(fan_in), decays=True)}
    if bias:
        specs["bias"] = ParamSpec((outputs,), Bias(fan_in))
    return specs


def learned(*shape: int, init: Init, decays: bool = False) -> ParamSpec:
    """Any other parameter, such as the factor of a norm."""
    return ParamSpec(shape, init, decays=decays)


def buffer(*shape: int, init: float | Computed = 0.0, dtype: str = "float32") -> ParamSpec:
    """State that no gradient changes."""
    return ParamSpec(shape, init, learned=False, dtype=dtype)
