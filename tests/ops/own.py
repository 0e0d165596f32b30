"""Ops of one's own, each written as CONTRIBUTING says, in one place; registered for the length of a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Annotated

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor, nn
from typing_extensions import override

from archspec.ops import OPS, Op, Operation, register_op
from archspec.ops.activation import Activation
from archspec.ops.base import PositivePair
from archspec.ops.fields import PositiveFloat, int_list, int_list_schema
from archspec.ops.merge import Add
from archspec.ops.parameters import Normal, ParamSpec, buffer, learned
from archspec.ops.traits import (
    TANH,
    AffectsNothing,
    AffectsSpace,
    Affine,
    Elementwise,
    KeepsLayout,
    Saturates,
    Stochastic,
    Windowed,
)
from archspec.ops.windows import Window, slide
from archspec.types import Cost, TensorType


class PowerMean(nn.Module):
    """The mean of x**p in windows, to the power 1/p."""

    def __init__(self, kernel_size: tuple[int, int], p: float) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.p = nn.Parameter(Tensor([p]))

    def forward(self, x: Tensor) -> Tensor:
        mean = nn.functional.avg_pool2d(x.clamp(min=1e-6) ** self.p, self.kernel_size)
        return mean ** (1 / self.p)


class PowerPool2d(Op):
    """The power mean of each window, with a learned exponent (Radenović et al. 2018, section 3.2).

    Shapes: (N, C, H, W) -> (N, C, H // kernel_size, W // kernel_size).
    Cost: kernel_h*kernel_w + 1 elementwise FLOPs per output; 1 parameter.
    Errors: ShapeError if the window does not fit.
    """

    op = "power_pool2d"
    main = "kernel_size"
    ndim = 4
    aliases = ("gem", "powerpool")
    traits = (Windowed(),)

    kernel_size: AffectsSpace[PositivePair] = Field(description="size of the window and its step")
    p: AffectsNothing[PositiveFloat] = Field(3.0, description="the exponent at the start")

    @property
    def windows(self) -> tuple[Window, ...]:
        return tuple(Window(k, k) for k in self.kernel_size)

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (slide(x, x.shape[1], self.windows),)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=y.numel * (prod(self.kernel_size) + 1))

    @override
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        return {"p": learned(1, init=self.p)}

    @override
    def build(self, x: TensorType) -> nn.Module:
        return PowerMean(self.kernel_size, self.p)


CONTRIBUTING = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLE = CONTRIBUTING.partition("```python\n")[2].partition("```")[0]


def from_contributing() -> type[Operation]:
    """The op that CONTRIBUTING gives as an example: its file, run as it stands, but for the registration."""
    module = ModuleType(f"{__name__}.rms_norm")
    sys.modules[module.__name__] = module
    exec(compile(EXAMPLE.replace("@register_op\n", ""), "CONTRIBUTING.md", "exec"), vars(module))
    op: type[Operation] = module.RMSNorm
    return op


RMSNorm = from_contributing()


class Softplus(Activation):
    """log(1 + exp(x)) (Glorot et al. 2011)."""

    op = "softplus"
    torch_name = "Softplus"
    traits = (Elementwise(),)


class Hardtanh(Activation):
    """min(max(x, -1), 1) (Collobert 2004)."""

    op = "hardtanh"
    torch_name = "Hardtanh"
    traits = (Elementwise(), Saturates(TANH))


class AddNoise(nn.Module):
    """Gaussian noise while training."""

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x) if self.training else x


class Noise(Op):
    """Gaussian noise while training.

    Shapes: any -> the same.
    Cost: none (it is the identity in evaluation).
    Errors: none.
    """

    op = "noise"
    traits = (Elementwise(), Affine(), Stochastic(probability=None))

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (x,)

    @override
    def build(self, x: TensorType) -> nn.Module:
        return AddNoise()


class Table(nn.Module):
    """A learned table that is added to each sample, and a counter of the passes."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(shape))
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return x + self.table


class Positions(Op):
    """A learned table added to each sample (Dosovitskiy et al. 2020, section 3.1).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element; as many parameters as a sample has elements; a counter.
    Errors: none.
    """

    op = "positions"
    traits = (KeepsLayout(),)

    width: AffectsNothing[float] = Field(0.02, description="standard deviation at the start")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (x,)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel)

    @override
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        table = learned(*x.shape[1:], init=Normal(self.width), decays=True)
        return {"table": table, "passes": buffer(dtype="int64")}

    @override
    def build(self, x: TensorType) -> nn.Module:
        return Table(x.shape[1:])


class Weigh(nn.Module):
    """A sum with learned factors. It takes a list, as every merge does."""

    def __init__(self, branches: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(branches))

    def forward(self, inputs: list[Tensor]) -> Tensor:
        return torch.stack([w * x for w, x in zip(self.weight, inputs, strict=True)]).sum(0)


class WeightedAdd(Add):
    """The sum of all branches, each times a learned factor (Tan et al. 2020, section 3.3).

    Shapes: as add.
    Cost: as add; a parameter for each branch.
    Errors: as add.
    """

    op = "weighted_add"

    @override
    def parameters(self, *inputs: TensorType) -> dict[str, ParamSpec]:
        return {"weight": learned(len(inputs), init=1.0)}

    @override
    def build(self, *inputs: TensorType) -> nn.Module:
        return Weigh(len(inputs))


_triple = int_list(1, "a positive integer or three of them", size=3, bare=True)
Triple = Annotated[tuple[int, ...], BeforeValidator(_triple), int_list_schema(1, size=3, bare=True)]


class VolumePool(Op):
    """The largest value of each window of a volume.

    Shapes: (N, C, D, H, W) -> (N, C, D', H', W') with D' = (D - kernel_size) // kernel_size + 1; H', W' alike.
    Cost: kernel_d*kernel_h*kernel_w elementwise FLOPs per output.
    Errors: ShapeError if a window does not fit.
    """

    op = "volume_pool"
    main = "kernel_size"
    ndim = 5
    traits = (Windowed(),)

    kernel_size: AffectsSpace[Triple] = Field(description="size of the window, an integer or [depth, height, width]")

    @property
    def windows(self) -> tuple[Window, ...]:
        return tuple(Window(k, k) for k in self.kernel_size)

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (slide(x, x.shape[1], self.windows),)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=y.numel * prod(self.kernel_size))

    @override
    def build(self, x: TensorType) -> nn.Module:
        return nn.MaxPool3d(self.kernel_size)


@contextmanager
def registered(*classes: type[Operation]) -> Iterator[None]:
    """Make ops known to the language within the block."""
    for cls in classes:
        register_op(cls)
    try:
        yield
    finally:
        for cls in classes:
            del OPS[cls.op]
