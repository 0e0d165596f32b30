"""Batches for a network: the interface for a trainer, and the source for data in memory."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from archspec.data.images import ImageData
from archspec.data.nested import Nested
from archspec.data.order import epoch_order, shard, step_sizes
from archspec.data.plan import InputPlan
from archspec.data.transform import resize, scale
from archspec.diagnostics import plural
from archspec.text import bytes_text

if TYPE_CHECKING:
    import torch

    from archspec.data.augment import Augmentation


_DIGESTED: Final = 1024  # images at a time, because a digest needs eight bytes of memory per byte


class Batch(NamedTuple):
    """One step's samples of this rank.

    x: float (n, C, H, W), y: int64 (n,), or what a data set of the user's own gives; both on the device. indices: int64
    (n,), the samples' numbers in the data set, on the CPU, so that naming them costs no synchronisation. n may be 0,
    see `order.shard`. total: samples of the step in all ranks together; None if this rank has all of them.
    """

    x: Nested
    y: Nested
    indices: torch.Tensor
    total: int | None = None


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How to make batches.

    batch_size: of each rank. shuffle: whether each epoch has a new order, a function of (seed, epoch), instead of the
    order of the data set. at_least: a last step with fewer samples for some rank is dropped, see `order.shard`.
    dtype: of x, default float32. memory_format: of x, default contiguous.
    """

    batch_size: int
    shuffle: bool
    device: torch.device | str = "cpu"
    seed: int = 0
    augment: Augmentation | None = None
    rank: int = 0
    world_size: int = 1
    at_least: int = 0
    dtype: torch.dtype | None = None
    memory_format: torch.memory_format | None = None

    def step_sizes(self, n: int) -> list[int]:
        """Samples of each step of a pass over n samples, all ranks together."""
        return step_sizes(n, self.world_size, self.batch_size, at_least=self.at_least)

    def steps(self, n: int, epoch: int) -> list[torch.Tensor]:
        """The samples of this rank in each step of an epoch."""
        import torch

        order = epoch_order(n, self.seed, epoch) if self.shuffle else torch.arange(n)
        return shard(order, self.rank, self.world_size, self.batch_size, at_least=self.at_least)

    def for_one(self) -> BatchOptions:
        """The same options for a single process with the samples of all ranks."""
        return replace(self, batch_size=self.batch_size * self.world_size, rank=0, world_size=1)

    def finish(self, images: torch.Tensor, indices: torch.Tensor, plan: InputPlan, epoch: int) -> torch.Tensor:
        """uint8 (n, c, H, W) of the final size -> x, both on the device; `indices` may be on the CPU."""
        if self.augment is not None:
            index = indices.to(images.device, non_blocking=True)
            images = self.augment(images, index, self.seed, epoch)
        return scale(
            images, plan.channels, self.dtype, mean=plan.mean, std=plan.std, memory_format=self.memory_format
        )


def evenly(n: int, count: int) -> torch.Tensor:
    """At most `count` of the numbers 0 … n - 1, evenly spaced."""
    import torch

    return torch.linspace(0, n - 1, min(n, count), dtype=torch.float64).round().long()


def endless(train: Batches) -> Generator[Batch, None, None]:
    """The batches of one epoch after the other. Close it to end the workers of the data."""
    for epoch in count():
        yield from train.batches(epoch)


class Batches(Protocol):
    """A source of batches."""

    @property
    def step_sizes(self) -> list[int]:
        """Samples of each step of an epoch, all ranks together."""

    @property
    def description(self) -> str:
        """Where the data is, as a text for the user."""

    def __len__(self) -> int:
        """The number of steps in an epoch."""

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from a step on; they do not depend on whether earlier steps were run."""

    def some(self, count: int) -> Batch:
        """At most `count` samples, evenly spaced over the data set, not augmented."""

    def alone(self) -> Batches:
        """The same batches for a single process, with all samples of each step."""

    def digests(self) -> torch.Tensor | None:
        """A number for each sample, int64 (n,), equal for equal images. None if the data is not in memory."""

    def close(self) -> None:
        """End worker processes. May be called more than once."""


class ResidentBatches:
    """Batches of an `ImageData` whose bytes stay on the device; no host synchronisation per step.

    home: where the bytes are stored, by default the device. With the CPU, for data that does not fit on the device,
    each batch is gathered there and copied.
    """

    def __init__(
        self,
        data: ImageData,
        plan: InputPlan,
        options: BatchOptions,
        *,
        home: torch.device | str | None = None,
    ) -> None:
        import torch

        self.device = torch.device(options.device)
        self.home = self.device if home is None else torch.device(home)
        self._images, self._labels = data.images.to(self.home), data.labels.to(self.home)
        self._plan, self._options = plan, options
        self._send = self.home != self.device
        self._pin = self._send and self.device.type == "cuda"
        self.step_sizes = options.step_sizes(len(data))
        self.description = f"{plural(len(data), 'image')} in memory, on {self.home} ({bytes_text(data.nbytes)})"

    def __len__(self) -> int:
        return len(self.step_sizes)

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from a step on."""
        import torch

        steps = self._options.steps(len(self._images), epoch)[start_step:]
        if not steps:
            return
        whole = torch.cat(steps).to(self.home)  # once per epoch, because a copy in each step would wait for the device
        rows_of = torch.split(whole, [len(step) for step in steps])
        for indices, rows, total in zip(steps, rows_of, self.step_sizes[start_step:], strict=True):
            images, labels = self._images.index_select(0, rows), self._labels.index_select(0, rows)
            if self._send:
                images, labels = self._sent(images), self._sent(labels)
            x = self._options.finish(resize(images, self._plan.size), rows, self._plan, epoch)
            yield Batch(x, labels, indices, total)

    def some(self, count: int) -> Batch:
        """At most `count` samples, evenly spaced over the data set, not augmented."""
        indices = evenly(len(self._images), count)
        rows = indices.to(self.home)
        images, labels = self._images.index_select(0, rows), self._labels.index_select(0, rows)
        if self._send:
            images, labels = self._sent(images), self._sent(labels)
        plain = replace(self._options, augment=None)
        return Batch(plain.finish(resize(images, self._plan.size), rows, self._plan, 0), labels, indices)

    def alone(self) -> ResidentBatches:
        """The same batches for a single process."""
        other = copy.copy(self)
        other._options = self._options.for_one()
        other.step_sizes = other._options.step_sizes(len(self._images))
        return other

    def digests(self) -> torch.Tensor:
        """A number for each sample, int64 (n,), equal for equal images."""
        import torch

        factors = torch.randint(
            -(2**62), 2**62, (self._images[0].numel(),), generator=torch.Generator().manual_seed(0)
        ).to(self.home)
        parts = torch.split(self._images.flatten(1), _DIGESTED)
        return torch.cat([(part.long() * factors).sum(1) for part in parts])

    def _sent(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor on the device, copied in the background if the host's memory is pinned."""
        return (tensor.pin_memory() if self._pin else tensor).to(self.device, non_blocking=self._pin)

    def close(self) -> None:
        """Do nothing: there are no worker processes."""
