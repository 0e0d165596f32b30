"""The small torch modules that torch.nn lacks. Import it only to build a model: it imports torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override


class Permute(nn.Module):
    """Reorder dimensions: (N, d1, …) -> (N, permuted …). `dims` counts the batch."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.dims)

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"dims={self.dims}"


class Reshape(nn.Module):
    """Give every sample a new shape: (N, …) -> (N, *shape)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = list(shape)  # TorchScript joins lists, not tuples

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape([x.shape[0]] + self.shape)  # noqa: RUF005 (TorchScript has no [*a])

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"shape={tuple(self.shape)}"


class Learned(nn.Module):
    """A learned tensor, expanded to the batch of the input: (N, …) -> (N, *shape).

    rule: zeros, ones, normal or truncated_normal; std: the standard deviation of the last two.
    """

    def __init__(self, shape: tuple[int, ...], rule: str, std: float = 0.0) -> None:
        super().__init__()
        self.rule = rule
        self.std = std
        self.value = nn.Parameter(torch.empty(shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start anew."""
        if self.rule == "normal":
            nn.init.normal_(self.value, std=self.std)
        elif self.rule == "truncated_normal":
            nn.init.trunc_normal_(self.value, std=self.std)
        else:
            nn.init.constant_(self.value, float(self.rule == "ones"))

    @override
    def forward(self, x: Tensor) -> Tensor:
        # Without gradients, torch's view of a leaf would need one but have no function: its FLOP counter fails then.
        value = self.value if torch.is_grad_enabled() else self.value.detach()
        return value.unsqueeze(0).expand([x.shape[0]] + [-1] * value.dim())

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        start = f"{self.rule}({self.std})" if self.std else self.rule
        return f"shape={tuple(self.value.shape)}, init={start}"


class Chunk(nn.Module):
    """One of the parts that torch.chunk makes along `dim`."""

    def __init__(self, chunks: int, index: int, dim: int = 1) -> None:
        super().__init__()
        self.chunks = chunks
        self.index = index
        self.dim = dim

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.chunk(self.chunks, self.dim)[self.index]

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"chunks={self.chunks}, index={self.index}, dim={self.dim}"


class Select(nn.Module):
    """One slice along `dim`, which is dropped: (N, …, size, …) -> (N, …)."""

    def __init__(self, dim: int, index: int) -> None:
        super().__init__()
        self.dim = dim
        self.index = index

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.select(self.dim, self.index)

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"dim={self.dim}, index={self.index}"


class VolumeResponseNorm(nn.LocalResponseNorm):
    """`torch.nn.LocalResponseNorm` of volumes, which torch computes only where their last dimensions lie together."""

    @override
    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.local_response_norm(input.contiguous(), self.size, self.alpha, self.beta, self.k)


class Zero(nn.Module):
    """0 times the input: gradients are zeros, not None, so that processes that train together have equal ones."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x * 0.0


class Abs(nn.Module):
    """The absolute value of each element."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.abs()


class Scale(nn.Module):
    """A fixed number times the input."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"factor={self.factor}"


class _Reduction(nn.Module):
    """What reductions share: the dims, which count the batch."""

    def __init__(self, dim: tuple[int, ...], *, keepdim: bool = False) -> None:
        super().__init__()
        self.dim = dim
        self.keepdim = keepdim

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"dim={self.dim}, keepdim={self.keepdim}"


class Mean(_Reduction):
    """The mean over dims."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.dim, self.keepdim)


class Max(_Reduction):
    """The largest value over dims."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.amax(self.dim, self.keepdim)


class Roll(nn.Module):
    """Shift along dims, cyclically."""

    def __init__(self, shifts: tuple[int, ...], dims: tuple[int, ...]) -> None:
        super().__init__()
        self.shifts = shifts
        self.dims = dims

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.roll(x, self.shifts, self.dims)

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"shifts={self.shifts}, dims={self.dims}"


class Slice(nn.Module):
    """Part of the dimension `dim`: places start, start + step, … before `end`."""

    def __init__(self, dim: int, start: int = 0, end: int | None = None, step: int = 1) -> None:
        super().__init__()
        self.dim = dim
        self.start = start
        self.end = end
        self.step = step

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.ops.aten.slice(x, self.dim, self.start, self.end, self.step)
        return y

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"dim={self.dim}, start={self.start}, end={self.end}, step={self.step}"


class Pad(nn.Module):
    """Add a value at the ends of the last dimensions; `padding` begins with the last one."""

    def __init__(self, padding: tuple[int, ...], value: float = 0.0) -> None:
        super().__init__()
        self.padding = list(padding)  # TorchScript takes a list
        self.value = value

    @override
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"padding={self.padding}, value={self.value}"


class LayerScale(nn.Module):
    """A learned factor per channel (Touvron et al. 2021, "Going deeper with image transformers", section 2).

    `shape` is the weight's and broadcasts against the input: (C, 1, 1) for NCHW, (C,) for channels last.
    """

    def __init__(self, shape: tuple[int, ...], init_value: float = 1e-6) -> None:
        super().__init__()
        self.init_value = init_value
        self.weight = nn.Parameter(torch.full(shape, float(init_value)))

    def reset_parameters(self) -> None:
        """Set every factor to `init_value` again."""
        nn.init.constant_(self.weight, self.init_value)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"{tuple(self.weight.shape)}, init_value={self.init_value}"


class StochasticDepth(nn.Module):
    """Zero whole samples ("row") or the whole batch ("batch") with probability p while training.

    What survives is divided by 1 - p. It draws the same random numbers as torchvision.ops.StochasticDepth.
    Source: Huang et al. 2016, "Deep networks with stochastic depth", section 3.
    """

    def __init__(self, p: float, mode: str = "row") -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    @override
    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        survival = 1.0 - self.p
        rows = x.shape[0] if self.mode == "row" else 1
        shape = [rows] + [1] * (x.ndim - 1)
        noise = torch.empty(shape, dtype=x.dtype, device=x.device).bernoulli_(survival)
        if survival > 0.0:
            noise.div_(survival)
        return x * noise

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"p={self.p}, mode={self.mode}"


class Split(nn.Module):
    """The channels in parts of these sizes: (N, C, …) -> (N, size, …) for each."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = list(sizes)

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return torch.split(x, self.sizes, 1)

    @override
    def extra_repr(self) -> str:
        return f"{self.sizes}"
