"""The circumstances of an execution: batch, precision, layout, optimizer, device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Target = Literal["cpu", "cuda", "meta"]
_NAMES: Final = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}
LOW: Final = {"bf16": "bfloat16", "fp16": "float16"}  # what autocast computes in


@dataclass(frozen=True, slots=True)
class Optimizer:
    """What decides the memory and time of an optimizer's step.

    kind: sgd, adam or adamw; ValueError for another. momentum: of SGD; 0 keeps no state.
    """

    kind: str = "sgd"
    momentum: float = 0.0

    def __post_init__(self) -> None:
        """Refuse another optimizer, of which nothing is known."""
        if self.kind not in _NAMES:
            raise ValueError(f"no figures for the optimizer {self.kind!r}; optimizers: {', '.join(_NAMES)}")

    @property
    def states(self) -> int:
        """How many tensors of a parameter's size it keeps for each parameter."""
        return int(self.momentum != 0) if self.kind == "sgd" else 2

    @property
    def text(self) -> str:
        """`SGD with momentum 0.9`, `AdamW`."""
        name = _NAMES[self.kind]
        return f"{name} with momentum {self.momentum:g}" if self.kind == "sgd" and self.momentum else name


@dataclass(frozen=True, slots=True)
class Setting:
    """How a network runs. ValueError for an empty batch, another precision, and autocast over other weights
    than float32.

    training: a training step (forward, loss, backward, optimizer), else a forward pass without gradients in
    evaluation mode.
    precision: fp32 and tf32 compute in float32; bf16 and fp16 under torch's autocast, with float32 weights.
    dtype: of weights and inputs, where they are not float32.
    target: whose kernels run. `meta` is what a memory tracker sees on that device of torch: attention has no kernel
    of its own there, and no gradient is added in place.
    frozen: names of parameters without a gradient. recompute: stages, or parts of them by path, whose activations are
    computed again in backward.
    accumulate: the number of passes whose gradients a step adds up. ema: whether an average of the weights is kept.
    libraries: whether timeline and peak include what a CPU's kernels take beside the tensors, as a bound (`workspace`).
    """

    batch_size: int = 1
    training: bool = True
    precision: Precision = "fp32"
    channels_last: bool = False
    target: Target = "cpu"
    optimizer: Optimizer = field(default_factory=Optimizer)
    frozen: frozenset[str] = frozenset()
    recompute: frozenset[str] = frozenset()
    accumulate: int = 1
    ema: bool = False
    dtype: str = "float32"
    libraries: bool = False

    def __post_init__(self) -> None:
        """Refuse what would have figures that mean nothing."""
        if self.batch_size < 1:
            raise ValueError(f"a batch has at least 1 sample, not {self.batch_size}")
        if self.precision not in get_args(Precision):
            raise ValueError(f"no figures in {self.precision!r}; precisions: {', '.join(get_args(Precision))}")
        if self.low is not None and self.dtype != "float32":
            message = f"{self.precision} is autocast over float32 weights: leave out dtype={self.dtype!r}, or precision"
            raise ValueError(message)

    @property
    def low(self) -> str | None:
        """The dtype of autocast, or None without it."""
        return LOW.get(self.precision)
