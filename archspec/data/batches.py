"""Batches from a data set that lies in memory: gather, transform, on the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from archspec.data.images import ImageData
from archspec.data.order import epoch_order, shard, step_sizes
from archspec.data.transform import InputPlan, resize, scale

if TYPE_CHECKING:
    import torch

    from archspec.data.augment import Augmentation


class Batch(NamedTuple):
    """One step's samples of this rank.

    x: float (n, C, H, W), y: int64 (n,), both on the device. indices: int64 (n,), the samples' numbers in the data
    set, on the CPU (so that naming them costs no synchronisation). n may be 0, see `order.shard`.
    """

    x: torch.Tensor
    y: torch.Tensor
    indices: torch.Tensor


class Batches(Protocol):
    """What a trainer needs of a source of batches."""

    @property
    def step_sizes(self) -> list[int]:
        """Samples of each step of an epoch, all ranks together; its length is the number of steps."""

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from a step on, the same ones whether or not the epoch was begun before."""

    def close(self) -> None:
        """Give back processes and memory. Harmless when repeated."""


class ResidentBatches:
    """Batches of an `ImageData` that stays on the device as bytes; no host synchronisation per step.

    data: the split. plan: what the network takes. batch_size: of this rank. shuffle: a new order every epoch, else
    the order of the file. at_least: see `order.shard`. keep_on: where the bytes lie, default `device`; the CPU for data
    that the device has no room for, then each batch is gathered there and sent.
    """

    def __init__(
        self,
        data: ImageData,
        plan: InputPlan,
        batch_size: int,
        *,
        device: torch.device | str = "cpu",
        shuffle: bool,
        seed: int = 0,
        augment: Augmentation | None = None,
        rank: int = 0,
        world: int = 1,
        at_least: int = 0,
        dtype: torch.dtype | None = None,
        memory_format: torch.memory_format | None = None,
        keep_on: torch.device | str | None = None,
    ) -> None:
        import torch

        self.device = torch.device(device)
        home = self.device if keep_on is None else torch.device(keep_on)
        self._images, self._labels = data.images.to(home), data.labels.to(home)
        if home.type == "cpu" and self.device.type == "cuda":
            self._images, self._labels = self._images.pin_memory(), self._labels.pin_memory()
        self._plan, self._augment, self._shuffle, self._seed = plan, augment, shuffle, seed
        self._shard = {"rank": rank, "world": world, "batch": batch_size, "at_least": at_least}
        self.step_sizes = step_sizes(len(data), world, batch_size, at_least=at_least)
        self._dtype, self._memory_format = dtype, memory_format

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from a step on."""
        import torch

        n = len(self._images)
        order = epoch_order(n, self._seed, epoch) if self._shuffle else torch.arange(n)
        there = order.to(self._images.device)
        for indices, rows in list(
            zip(shard(order, **self._shard), shard(there, **self._shard), strict=True)
        )[start_step:]:
            x, y = self._images.index_select(0, rows), self._labels.index_select(0, rows)
            x, y = x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)
            yield Batch(self._to_input(x, rows, epoch), y, indices)

    def _to_input(self, images: torch.Tensor, rows: torch.Tensor, epoch: int) -> torch.Tensor:
        plan = self._plan
        images = resize(images, plan.size)
        if self._augment is not None:
            images = self._augment(images, rows.to(self.device, non_blocking=True), self._seed, epoch)
        return scale(
            images, plan.channels, self._dtype, mean=plan.mean, std=plan.std, memory_format=self._memory_format
        )

    def close(self) -> None:
        """Nothing to give back: the memory goes with the object."""
