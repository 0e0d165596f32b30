"""One kernel to measure: how to make it, and what the time models know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from math import prod
from typing import Final, cast

import torch
from torch import Tensor

from archspec.devices.curve import hot_kind, kind_of
from archspec.devices.work import Work, work_of
from archspec.execution import Kernel
from archspec.train.step.precision import Precision

Run = Callable[[], object]
POOL: Final = 1 << 25  # elements
_INPUTS: Final = 8  # more than any kernel has
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Pool:
    """Random numbers to cut tensors from: making a kernel's inputs takes no time, and each cut is other memory."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._numbers = torch.empty(POOL, dtype=dtype, device=device).uniform_(-1, 1)
        self._next = 0
        self._warm, self._shared = 0, 0

    def warm(self, cuts: int = 1) -> None:
        """The next cuts are where those after every such call are: what used them last has left them in the caches."""
        self._warm, self._shared = cuts, 0

    def cut(self, count: int) -> Tensor:
        """The next `count` numbers. More than there are: a new tensor."""
        if count > POOL:
            return torch.empty(count, dtype=self._numbers.dtype, device=self._numbers.device).uniform_(-1, 1)
        aligned = -(-count // 64) * 64  # so that the next one is aligned
        if self._warm and self._shared + count <= POOL:
            start = self._shared
            self._warm, self._shared = self._warm - 1, start + aligned
            return self._numbers[start : start + count]
        if self._next + count > POOL:
            self._next = 0
        start = self._next
        self._next += aligned
        return self._numbers[start : start + count]


@cache
def pool(device: torch.device, dtype: torch.dtype) -> Pool:
    """The pool of this device and type."""
    return Pool(device, dtype)


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

    def warm(self, tensors: int = 1) -> None:
        """The next tensors of this type lie in the memory of all that follow such a call."""
        pool(self.device, self.dtype).warm(tensors)

    def tensor(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """A tensor of random numbers, not to be written to; of four dimensions in this layout."""
        numbers = pool(self.device, dtype or self.dtype).cut(prod(shape))
        if self.layout == "nhwc" and len(shape) == 4:
            n, c, h, w = shape
            return numbers.view(n, h, w, c).permute(0, 3, 1, 2)
        return numbers.view(shape)


@dataclass(frozen=True, slots=True)
class Sample:
    """A kernel to measure. make: allocates its tensors, and returns what runs it. curve: of its kind.

    parts: how many kernels of this work a run consists of; each takes an equal part of the time. warm: what to call
    before `make` for inputs in memory that others share.
    """

    name: str
    curve: str
    work: Work
    make: Callable[[], Run]
    parts: int = 1
    warm: Callable[[], None] = lambda: None

    @property
    def precision(self) -> Precision:
        """In which it computes."""
        return cast("Precision", self.curve.split("/")[1])


def sample(
    name: str, place: Place, make: Callable[[], Run], moved: Iterable[tuple[int, int]], *, macs: int = 0,
    flops: int = 0, geometry: tuple[int, ...] = (), by_layout: bool = False, parts: int = 1, warm: int = 1,
) -> Sample:
    """A sample. moved: (elements, bytes of each) of the tensors that it reads and writes.

    warm: how many of its inputs the kernels just before it have written in a network.
    """
    dtype, nbytes = str(place.dtype).removeprefix("torch."), sum(count * size for count, size in moved)
    kernel = Kernel("", name, "forward", dtype, nbytes, 0, macs, flops, geometry)
    suffix = f"/{place.layout}" if by_layout else ""
    work = work_of(kernel)
    curve = f"{kind_of(name, work)}/{place.precision}{suffix}"
    return Sample(name, curve, work, make, parts, partial(place.warm, warm))


def in_caches(samples: Iterable[Sample], place: Place) -> Iterator[Sample]:
    """The same kernels as in a network that fits into the caches; what those before them have left is still there.

    Passes over memory share all their inputs, products have their own weights: `measure_in_rounds` lets few take turns.
    """
    for cold in samples:
        kind, _, rest = cold.curve.partition("/")
        work = cold.work._replace(hot=True)
        if work.macs:
            yield replace(cold, work=work)
        else:
            yield replace(cold, curve=f"{hot_kind(kind)}/{rest}", work=work, warm=partial(place.warm, _INPUTS))
