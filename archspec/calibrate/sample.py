"""One kernel to measure: how to make it, and what the time models know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from archspec.devices.work import Work, work_of

Run = Callable[[], object]
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel as `archspec.devices.work` reads it; see `archspec.execution.Kernel`."""

    name: str
    dtype: str
    read_bytes: int
    written_bytes: int
    macs: int = 0
    flops: int = 0
    geometry: tuple[int, ...] = ()
    nhwc: bool = False
    layer: str = ""
    direction: str = "forward"


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how kernels are measured. precision: fp32, tf32, bf16 or fp16. layout: nchw or nhwc."""

    device: torch.device
    precision: str
    layout: str = "nchw"

    @property
    def dtype(self) -> torch.dtype:
        """Of the kernels' tensors."""
        return DTYPES[self.precision]

    def tensor(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """A tensor of random numbers; of four dimensions in this layout."""
        x = torch.randn(shape, device=self.device).to(dtype or self.dtype)
        return x.contiguous(memory_format=torch.channels_last) if self.layout == "nhwc" and x.dim() == 4 else x


@dataclass(frozen=True, slots=True)
class Sample:
    """A kernel to measure. make: allocates its tensors, and returns what runs it. curve: the name of its kind."""

    curve: str
    work: Work
    make: Callable[[], Run]


def sample(
    name: str, place: Place, make: Callable[[], Run], moved: Iterable[tuple[int, int]], *, macs: int = 0,
    flops: int = 0, geometry: tuple[int, ...] = (), curve: str | None = None, by_layout: bool = False,
) -> Sample:
    """A sample. moved: (elements, bytes of each) of the tensors that it reads and writes."""
    dtype, nbytes = str(place.dtype).removeprefix("torch."), sum(count * size for count, size in moved)
    kernel = Kernel(name, dtype, nbytes, 0, macs, flops, geometry)
    suffix = f"/{place.layout}" if by_layout else ""
    return Sample(f"{curve or name}/{place.precision}{suffix}", work_of(kernel), make)
