"""Loss and accuracy of a pass over the data, kept on the device until they are read."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from archspec.train.distributed.process_group import ALONE, ProcessGroup


@dataclass(frozen=True, slots=True)
class Metrics:
    """Means over the images of one pass: cross entropy, and the share that was classified correctly."""

    loss: float
    accuracy: float
    images: int


class Meter:
    """Loss, hits and gradient norm of each step of one pass. Reading them waits for the device; `add` never does.

    first: the number of the pass's first step, counted from 0 over the run. sizes: the images of each step so far.
    started: time.perf_counter() at the start of the pass. group: the processes that call `add` together, as a
    collective; each of them holds the figures of all images.
    """

    def __init__(self, steps: int, device: torch.device, first: int = 0, group: ProcessGroup = ALONE) -> None:
        self.first, self._group = first, group
        self._losses = torch.zeros(steps, device=device)
        self._hits = torch.zeros(steps, dtype=torch.int64, device=device)
        self._norms = torch.full((steps,), torch.nan, device=device)
        self.sizes: list[int] = []
        self.started = time.perf_counter()

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def images(self) -> int:
        """The number of images so far, without waiting for the device."""
        return sum(self.sizes)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor, total: int | None = None) -> None:
        """Record one step. loss: mean over the batch, shape (). logits: (N, classes). labels: (N,).

        total: images of the step in all processes; default N.
        """
        step, images = len(self.sizes), len(labels)
        loss, hits = loss.detach(), (logits.detach().argmax(1) == labels).sum()
        if total is not None and not self._group.alone:
            loss, hits = self._of_all(loss, hits, images, total)
            images = total
        self.sizes.append(images)
        self._losses[step] = loss
        self._hits[step] = hits

    def note_gradient(self, norm: Tensor) -> None:
        """Record the norm of the last step's gradient. norm: shape (), on the device."""
        self._norms[len(self.sizes) - 1] = norm

    def _of_all(self, loss: Tensor, hits: Tensor, images: int, total: int) -> tuple[Tensor, Tensor]:
        """Mean loss and number of hits over the images of all processes. Without any image the mean loss is NaN."""
        mine = loss.double() * images if images else torch.zeros_like(loss, dtype=torch.float64)
        sums = self._group.sum(torch.stack([mine, hits.double()]))
        return sums[0] / total, sums[1]

    def tensors(self) -> dict[str, Tensor]:
        """Loss, hits and gradient norm of each step so far: views on the device; writing changes the meter."""
        done = len(self)
        return {"losses": self._losses[:done], "hits": self._hits[:done], "norms": self._norms[:done]}

    def losses(self) -> Tensor:
        """The loss of each step so far, shape (steps,), on the CPU."""
        return self._losses[: len(self)].cpu()

    def gradient_norm(self) -> float | None:
        """Mean norm of the steps' gradients over those that are known and finite; None if there are none."""
        norms = self._norms[: len(self)].cpu().double()
        known = norms[norms.isfinite()]
        return float(known.mean()) if len(known) else None

    def metrics(self) -> Metrics:
        """The means over all images so far; every image has the same weight, whatever the size of its batch."""
        images = self.images
        loss = self.losses().double() @ torch.tensor(self.sizes, dtype=torch.float64)
        hits = int(self._hits[: len(self)].sum())
        return Metrics(float(loss) / images, hits / images, images)
