"""The metrics of a loss, as sums over the images of a pass that are accumulated on the device and read at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

if TYPE_CHECKING:
    from archspec.language.loss import Loss

INTEGERS: Final = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)  # types of labels
IGNORED: Final = -100  # the label that is ignored, as in torch's cross_entropy
TOP: Final = 5
MOST_WITHOUT_TOP: Final = 10  # with more outputs, top-5 accuracy is reported too


class Score:
    """The metrics of an output. `hits` divided by `count`, each summed over a pass, is the metric `name`.

    name: None for a loss without a metric. dtype: of the hits.
    """

    name: str | None = None
    dtype = torch.float64

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The numerator, shape ()."""
        return outputs.new_zeros(())

    def count(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """The denominator, shape (); None if it is the number of images."""
        return None

    def sums(self, outputs: Tensor, targets: Tensor, *, training: bool) -> Tensor | None:
        """The sums for the other metrics, shape (any,); None if there are no others."""
        return None

    def others(self, sums: Tensor) -> dict[str, float]:
        """The other metrics, from the sums over a pass on the CPU."""
        return {}


class Accuracy(Score):
    """The share of correct labels. outputs: (N, classes, …). targets: int64 (N, …)."""

    name = "accuracy"
    dtype = torch.int64

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The number of correct labels."""
        return (outputs.argmax(1) == targets).sum()

    def count(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """The number of labels that count, if an image has several."""
        return None if targets.ndim == 1 else (targets != IGNORED).sum()

    def sums(self, outputs: Tensor, targets: Tensor, *, training: bool) -> Tensor | None:
        """Top-5 hits and labels, in evaluation."""
        if training or outputs.shape[1] <= MOST_WITHOUT_TOP:
            return None
        found = (outputs.topk(TOP, 1).indices == targets.unsqueeze(1)).sum()
        return torch.stack([found, (targets != IGNORED).sum()]).to(_wide(outputs))

    def others(self, sums: Tensor) -> dict[str, float]:
        """Top-5 accuracy."""
        return {"top5": _share(*sums.tolist())}


class MultiLabel(Score):
    """F1 over all decisions, and the share of images without a wrong one. outputs: logits. targets: 0 or 1 for each.

    F1 = 2 TP / (2 TP + FP + FN), with the counts of all labels together (micro average).
    """

    name = "f1"

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """2 TP."""
        return 2 * ((outputs > 0) & (targets > 0.5)).sum()

    def count(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """2 TP + FP + FN: the positive answers and the positive labels."""
        return (outputs > 0).sum() + (targets > 0.5).sum()

    def sums(self, outputs: Tensor, targets: Tensor, *, training: bool) -> Tensor | None:
        """Images without a wrong decision, and images."""
        right = ((outputs > 0) == (targets > 0.5)).flatten(1).all(1).sum()
        return torch.stack([right, torch.full_like(right, len(outputs))]).to(_wide(outputs))

    def others(self, sums: Tensor) -> dict[str, float]:
        """Exact match."""
        return {"exact_match": _share(*sums.tolist())}


class Regression(Score):
    """The mean absolute error, and R², a mean over the targets (dimension 1). outputs, targets: (N, targets, …).

    R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)²; 0 for a target that does not vary.
    """

    name = "mae"

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The sum of the absolute errors."""
        return (outputs - targets).abs().sum(dtype=_wide(outputs))

    def count(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """The number of values."""
        return torch.full((), targets.numel(), device=targets.device)

    def sums(self, outputs: Tensor, targets: Tensor, *, training: bool) -> Tensor | None:
        """For each target: values, Σ(y - ŷ)², Σy, Σy²."""
        wide = _wide(outputs)
        columns = [t.to(wide).reshape(len(t), -1 if t.ndim > 1 else 1) for t in (outputs, targets)]
        if targets.ndim > 2:
            columns = [t.to(wide).movedim(1, -1).flatten(0, -2) for t in (outputs, targets)]
        error, y = columns[0] - columns[1], columns[1]
        return torch.cat([torch.full_like(y[:1], len(y)) if len(y) else y.new_zeros(1, y.shape[1]),
                          error.square().sum(0, keepdim=True), y.sum(0, keepdim=True),
                          y.square().sum(0, keepdim=True)]).flatten()

    def others(self, sums: Tensor) -> dict[str, float]:
        """R²."""
        count, errors, total, squares = sums.double().reshape(4, -1)
        spread = squares - total.square() / count
        varies = spread > 1e-12 * squares
        return {"r2": float(torch.where(varies, 1 - errors / spread, 0.0).mean())}


def _share(hits: float, count: float) -> float:
    return hits / count if count else 0.0


def _wide(outputs: Tensor) -> torch.dtype:
    """The type of sums: float64, which Apple's GPUs lack."""
    return torch.float32 if outputs.device.type == "mps" else torch.float64


SCORES: Final[Mapping[str, type[Score]]] = {"accuracy": Accuracy, "f1": MultiLabel, "mae": Regression}


def score_of(loss: Loss) -> Score:
    """The metrics that go with a loss."""
    return SCORES[loss.metrics[0]]()
