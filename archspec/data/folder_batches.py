"""Batches from a folder of images, which other processes decode ahead of time."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from archspec.data.batches import Batch, BatchOptions, evenly
from archspec.data.folder import ImageFolder
from archspec.data.images import ImageData
from archspec.data.plan import InputPlan
from archspec.data.pool import PATIENCE_S, Decoders, default_workers
from archspec.data.survey import all_problems
from archspec.diagnostics import Diagnostic, SpecError, plural

if TYPE_CHECKING:
    import torch

_AHEAD: Final = 2  # batches to decode ahead of time
_CHUNK: Final = 256  # images to request at a time when all are read


@dataclass(slots=True)
class _Pending:
    """A batch that is being decoded."""

    indices: torch.Tensor
    images: torch.Tensor
    labels: torch.Tensor
    jobs: list[Future[None]]
    total: int | None = None

    def wait(self) -> None:
        """Wait for all images. Raises the error of the first bad image."""
        for job in self.jobs:
            job.result()

    def problems(self) -> Iterator[Diagnostic]:
        """Wait for all images, and yield the error of each bad one."""
        for job in self.jobs:
            try:
                job.result()
            except SpecError as bad:
                yield from bad.diagnostics

    def cancel(self) -> None:
        for job in self.jobs:
            job.cancel()


class FolderBatches:
    """Batches of an `ImageFolder`, which `workers` processes decode and resize ahead of their use.

    Each image is resized to the network's input when it is decoded; augmentation and scaling run for the whole batch
    on the device, as for data in memory.
    Errors while iterating: RUN303 or RUN307 for an image, RUN308 for a process that died or took longer than
    `patience_s` for one image; each names the file and its number.
    """

    def __init__(
        self,
        data: ImageFolder,
        plan: InputPlan,
        options: BatchOptions,
        *,
        workers: int | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        import torch

        count = default_workers() if workers is None else workers
        self.device = torch.device(options.device)
        self._data, self._plan, self._options = data, plan, options
        self._decoders = Decoders(count, patience_s=patience_s)
        self.step_sizes = options.step_sizes(len(data))
        self.description = f"{plural(len(data), 'image file')}, decoded by {plural(count, 'process')}"

    def __len__(self) -> int:
        return len(self.step_sizes)

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from a step on."""
        waiting: deque[_Pending] = deque()
        try:
            steps = self._options.steps(len(self._data), epoch)[start_step:]
            for indices, total in zip(steps, self.step_sizes[start_step:], strict=True):
                waiting.append(_start(self._decoders, self._data, self._plan.size, indices, self.device))
                waiting[-1].total = total
                if len(waiting) > _AHEAD:
                    yield self._finish(waiting.popleft(), epoch)
            while waiting:
                yield self._finish(waiting.popleft(), epoch)
        finally:
            for pending in waiting:
                pending.cancel()

    def _finish(self, pending: _Pending, epoch: int) -> Batch:
        pending.wait()
        pinned = self.device.type == "cuda"
        images = pending.images.to(self.device, non_blocking=pinned)
        labels = pending.labels.to(self.device, non_blocking=pinned)
        x = self._options.finish(images, pending.indices, self._plan, epoch)
        return Batch(x, labels, pending.indices, pending.total)

    def some(self, count: int) -> Batch:
        """At most `count` samples, evenly spaced over the folder's list, not augmented."""
        pending = _start(self._decoders, self._data, self._plan.size, evenly(len(self._data), count), self.device)
        pending.wait()
        images, labels = pending.images.to(self.device), pending.labels.to(self.device)
        plain = replace(self._options, augment=None)
        return Batch(plain.finish(images, pending.indices, self._plan, 0), labels, pending.indices)

    def alone(self) -> FolderBatches:
        """The same batches for a single process; it shares the decoding processes."""
        other = copy.copy(self)
        other._options = self._options.for_one()
        other.step_sizes = other._options.step_sizes(len(self._data))
        return other

    def digests(self) -> None:
        """None, because the images are not in memory."""

    def close(self) -> None:
        """Stop the decoding processes."""
        self._decoders.close()


def _start(
    decoders: Decoders, data: ImageFolder, size: tuple[int, int], indices: torch.Tensor, device: torch.device
) -> _Pending:
    """Start to decode the images with these numbers."""
    import torch

    pin = device.type == "cuda"
    images = torch.empty(len(indices), data.channels, *size, dtype=torch.uint8, pin_memory=pin)
    samples = [(index, *data.samples[index]) for index in indices.tolist()]
    labels = torch.tensor([label for _, _, label in samples], dtype=torch.int64)
    jobs = [
        decoders.submit(path, data.channels, out, index)
        for (index, path, _), out in zip(samples, images.numpy(), strict=True)
    ]
    labels = data.targets_of(labels)
    return _Pending(indices, images, labels.pin_memory() if pin else labels, jobs)


def read_all(data: ImageFolder, size: tuple[int, int], *, workers: int | None = None) -> ImageData:
    """Read all images of a folder into memory, resized to (H, W).

    Batches of the result equal those of `FolderBatches`, byte for byte. Raises one SpecError for all bad images.
    """
    import torch

    images = torch.empty(len(data), data.channels, *size, dtype=torch.uint8)
    problems: list[Diagnostic] = []
    decoders = Decoders(default_workers() if workers is None else workers)
    try:
        for start in range(0, len(data), _CHUNK):
            indices = torch.arange(start, min(start + _CHUNK, len(data)))
            pending = _start(decoders, data, size, indices, torch.device("cpu"))
            problems += pending.problems()
            images[start : start + len(indices)] = pending.images
    finally:
        decoders.close()
    if problems:
        raise all_problems(problems, data)
    labels = data.targets_of(torch.tensor([label for _, label in data.samples], dtype=torch.int64))
    return ImageData(images, labels, data.classes, data.name, data.split, data.source)
