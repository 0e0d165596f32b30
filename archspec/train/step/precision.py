"""How the arithmetic of a run is done: what changes its speed, and its results by rounding alone."""

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
    """What a machine may choose without changing what a recipe means.

    precision: of matrix products and convolutions; weights, sums and the update are float32 always.
    channels_last: store activations as NHWC. own_kernels: on a CPU, see `backends.own_kernels`.
    compile: of the training step's forward and backward pass, by torch.compile.
    cuda_graphs: replay the compiled kernels as one graph, so that the host need not start each.
    deterministic: only kernels that give the same bits each time, see `deterministic`.
    """

    precision: Precision = "fp32"
    channels_last: bool = False
    own_kernels: bool = False
    compile: bool = False
    cuda_graphs: bool = False
    deterministic: bool = False

    @property
    def layout(self) -> torch.memory_format:
        """How activations are stored."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data, for `environment.json`."""
        return asdict(self)


def pick_precision(name: str, device: torch.device) -> Precision:
    """The precision of `auto` or of a name in PRECISIONS, on `device`.

    `auto` is fp32, on a GPU that has tf32, tf32, in which torch itself does convolutions by default.
    Raises SpecError RUN320 where the device cannot compute so.
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
    """Raise SpecError RUN320 where the device cannot compute so, or one setting needs another; RUN337 see there."""
    if settings.own_kernels and device.type != "cpu":
        raise error("RUN320", "archspec's own kernels are for CPUs", hint="leave --own-kernels out")
    if settings.cuda_graphs and device.type != "cuda":
        raise error("RUN320", f"a {device.type.upper()} has no CUDA graphs", hint="leave --cuda-graphs out")
    if settings.cuda_graphs and not settings.compile:
        raise error("RUN320", "CUDA graphs are made of compiled kernels", hint="add --compile")
    if settings.deterministic and settings.compile and device.type == "cuda":
        raise error("RUN337", "on a GPU compiled kernels are chosen by their speed, which differs from run to run",
                    hint="leave --compile and --cuda-graphs out, or --deterministic")


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context for forward pass and loss: products in 16 bits where the precision says so."""
    dtype = LOW.get(precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def make_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler:
    """Scales the loss, so that no gradient vanishes in fp16's small range; does nothing for other precisions.

    Source: Micikevicius et al. 2018, "Mixed precision training", section 3.2.
    """
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


@contextmanager
def float32_products(precision: Precision, device: torch.device) -> Iterator[None]:
    """Let CUDA's float32 products use tf32 within the block if that is the precision, and only then.

    torch's own default is to do so in convolutions and not in matrix products.
    """
    if device.type != "cuda":
        yield
        return
    # The older of torch's two switches: while only the newer one is set, reading the older one raises.
    switches: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = precision == "tf32"
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value
