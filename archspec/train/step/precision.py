"""Numerical settings of a run: they change its speed, and its results by rounding only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

import torch

from archspec.diagnostics import error

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
LOW: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}  # what autocast computes in
AMPERE: Final = (8, 0)  # the first compute capability with tf32 and bf16


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that a machine may choose without changing the meaning of a recipe.

    precision: of matrix products and convolutions; weights, sums and the update are always float32.
    channels_last: store activations as NHWC. own_kernels: on a CPU, see `backends.own_kernels`.
    compile: compile forward and backward pass with torch.compile.
    cuda_graphs: replay the compiled kernels as one graph, so that the host does not launch each of them.
    deterministic: only use kernels that give the same bits each time, see `deterministic`.
    """

    precision: Precision = "fp32"
    channels_last: bool = False
    own_kernels: bool = False
    compile: bool = False
    cuda_graphs: bool = False
    deterministic: bool = False

    @property
    def layout(self) -> torch.memory_format:
        """The memory format of activations."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data, for `environment.json`."""
        return asdict(self)


def pick_precision(name: str, device: torch.device) -> Precision:
    """The precision on `device`. name: one of PRECISIONS, or `auto`.

    `auto` is tf32 on a GPU that supports it, as torch does for convolutions by default, and fp32 elsewhere.
    Raises SpecError RUN320 if the device does not support the precision.
    """
    modern = device.type == "cuda" and torch.cuda.get_device_capability(device) >= AMPERE
    if name == "auto":
        return "tf32" if modern else "fp32"
    if name not in PRECISIONS:
        raise ValueError(f"a precision is auto or one of {PRECISIONS}, not {name!r}")
    if name == "tf32" and not modern:
        place = "this GPU" if device.type == "cuda" else f"a {device.type.upper()}"
        raise error("RUN320", f"{place} does not support tf32, which needs NVIDIA's Ampere or newer",
                    hint=f"use --precision fp32, or {'fp16' if device.type == 'cuda' else 'bf16'}")
    if name == "bf16" and device.type == "cuda" and not modern:
        raise error("RUN320", "this GPU does not support bf16, which needs NVIDIA's Ampere or newer",
                    hint="use --precision fp16")
    return name


def check_settings(settings: Settings, device: torch.device) -> None:
    """Raise SpecError RUN320 if the device does not support the settings or one needs another; RUN337 if compiled
    kernels would not be deterministic.
    """
    if settings.own_kernels and device.type != "cpu":
        raise error("RUN320", "archspec's own kernels are for CPUs", hint="leave --own-kernels out")
    if settings.cuda_graphs and device.type != "cuda":
        raise error("RUN320", f"a {device.type.upper()} has no CUDA graphs", hint="leave --cuda-graphs out")
    if settings.cuda_graphs and not settings.compile:
        raise error("RUN320", "CUDA graphs need compiled kernels", hint="add --compile")
    if settings.deterministic and settings.compile and device.type == "cuda":
        raise error("RUN337", "on a GPU torch chooses compiled kernels by their speed, which differs from run to run",
                    hint="leave --compile and --cuda-graphs out, or --deterministic")


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context for forward pass and loss: products in 16 bits if `precision` is bf16 or fp16."""
    dtype = LOW.get(precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def make_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler:
    """Scales the loss so that gradients do not underflow in fp16; disabled for other precisions.

    Source: Micikevicius et al. 2018, "Mixed precision training", section 3.2.
    """
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


@contextmanager
def float32_products(precision: Precision, device: torch.device) -> Iterator[None]:
    """Use tf32 for float32 products on CUDA within the block if and only if it is the precision.

    By default torch uses it in convolutions but not in matrix products.
    """
    if device.type != "cuda":
        yield
        return
    # torch has two switches; this is the older one, because reading it raises while only the newer one is set.
    switches: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = precision == "tf32"
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value
