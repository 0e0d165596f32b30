"""Loss and metrics of a pass over the data, kept on the device until they are read."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from archspec.train.distributed.process_group import ALONE, ProcessGroup
from archspec.train.scores import Accuracy, Score


@dataclass(frozen=True, slots=True)
class Metrics:
    """Means over the images of one pass. others: metrics beside the accuracy, which is NaN where a loss has none."""

    loss: float
    accuracy: float
    images: int
    others: Mapping[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        """Loss and metrics by their names, the metric that decides first of these."""
        accuracy = {} if math.isnan(self.accuracy) else {"accuracy": self.accuracy}
        return {"loss": self.loss, **accuracy, **self.others}


class Meter:
    """Loss, hits and gradient norm of each step of one pass. Reading them waits for the device; `add` never does.

    first: the number of the pass's first step, counted from 0 over the run. sizes: the images of each step so far.
    started: time.perf_counter() at the start of the pass. group: the processes that call `add` together, as a
    collective; each of them holds the figures of all images. score: what else is measured. training: leave out what is
    only of interest in evaluation.
    """

    def __init__(
        self, steps: int, device: torch.device, first: int = 0, group: ProcessGroup = ALONE,
        score: Score | None = None, *, training: bool = False,
    ) -> None:
        self.first, self._group, self._training = first, group, training
        self.score = Accuracy() if score is None else score
        self._losses = torch.zeros(steps, device=device)
        dtype = torch.float32 if device.type == "mps" and self.score.dtype.is_floating_point else self.score.dtype
        self._hits = torch.zeros(steps, dtype=dtype, device=device)
        self._norms = torch.full((steps,), torch.nan, device=device)
        self._counts: Tensor | None = None  # of each step, where they are not the images
        self._sums: Tensor | None = None  # over all steps
        self.sizes: list[int] = []
        self.started = time.perf_counter()

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def images(self) -> int:
        """The number of images so far, without waiting for the device."""
        return sum(self.sizes)

    @torch.no_grad()
    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor, total: int | None = None) -> None:
        """Record one step. loss: mean over the batch, shape (). outputs, targets: (N, …), as the score takes them.

        total: images of the step in all processes; default N.
        """
        step, images = len(self.sizes), len(targets)
        loss, outputs = loss.detach(), outputs.detach()
        hits, count = self.score.hits(outputs, targets), self.score.count(outputs, targets)
        sums = self.score.sums(outputs, targets, training=self._training)
        if total is not None and not self._group.alone:
            loss, hits, count, sums = self._of_all(loss, hits, count, sums, images, total)
            images = total
        self.sizes.append(images)
        self._losses[step] = loss
        self._hits[step] = hits
        if count is not None:
            self._counts = torch.zeros_like(self._losses, dtype=torch.int64) if self._counts is None else self._counts
            self._counts[step] = count
        if sums is not None:
            self._sums = sums if self._sums is None else self._sums + sums

    def note_gradient(self, norm: Tensor) -> None:
        """Record the norm of the last step's gradient. norm: shape (), on the device."""
        self._norms[len(self.sizes) - 1] = norm

    def _of_all(
        self, loss: Tensor, hits: Tensor, count: Tensor | None, sums: Tensor | None, images: int, total: int
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """The same figures over the images of all processes. Without any image the mean loss is NaN."""
        mine = loss.double() * images if images else torch.zeros_like(loss, dtype=torch.float64)
        counted = [] if count is None else [count.double()]
        parts = [torch.stack([mine, hits.double(), *counted]), *([] if sums is None else [sums])]
        found = self._group.sum(torch.cat(parts))
        end = 2 + len(counted)
        return found[0] / total, found[1], found[2] if counted else None, None if sums is None else found[end:]

    def tensors(self) -> dict[str, Tensor]:
        """Loss, hits and gradient norm of each step so far: views on the device; writing changes the meter.

        Where the hits are not counted per image, also the counts; where there are other metrics, also their sums.
        """
        done = len(self)
        found = {"losses": self._losses[:done], "hits": self._hits[:done], "norms": self._norms[:done]}
        counts = {} if self._counts is None else {"counts": self._counts[:done]}
        return found | counts | ({} if self._sums is None else {"sums": self._sums})

    def allocate(self, like: Mapping[str, Tensor]) -> None:
        """Make room for the tensors of another meter of this score, as a checkpoint holds them."""
        if "counts" in like:
            self._counts = torch.zeros_like(self._losses, dtype=torch.int64)
        if "sums" in like:
            self._sums = torch.zeros(like["sums"].shape, dtype=like["sums"].dtype, device=self._losses.device)

    def shares(self) -> list[tuple[float, float]]:
        """Hits and count of each step so far: the metric of a stretch of steps is the ratio of their sums."""
        done = len(self)
        counts = self.sizes if self._counts is None else self._counts[:done].tolist()
        return list(zip(self._hits[:done].tolist(), counts, strict=True))

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
        hits = self._hits[: len(self)].sum().item()
        count = images if self._counts is None else int(self._counts[: len(self)].sum())
        share = hits / count if count else 0.0
        others = {} if self._sums is None else self.score.others(self._sums.cpu())
        if self.score.name not in (None, "accuracy"):
            others = {str(self.score.name): share, **others}
        accuracy = share if self.score.name == "accuracy" else math.nan
        return Metrics(float(loss) / images, accuracy, images, others)
