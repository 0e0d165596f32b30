"""Class weights that compensate for classes of different size: `class_weights: balanced`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from archspec.data.nested import Nested
from archspec.language.loss import AnyLoss, BinaryCrossEntropy, CrossEntropy
from archspec.train.scores import IGNORED

if TYPE_CHECKING:
    from archspec.data.batches import Batches


def need_targets(losses: Mapping[str, AnyLoss]) -> bool:
    """Whether a loss has weights that depend on the training set."""
    return any(getattr(loss, "class_weights", None) == "balanced" for loss in losses.values())


class Counts:
    """Counts how often each class, or each label, occurs in the targets."""

    def __init__(self, outputs: int) -> None:
        self._positives = torch.zeros(outputs, dtype=torch.float64)
        self._total = 0

    def add(self, loss: AnyLoss, targets: Tensor) -> None:
        """Count targets: int64 (N, …) of cross_entropy, (N, labels, …) of bce."""
        targets = targets.detach().cpu()
        if isinstance(loss, CrossEntropy):
            known = targets[targets != IGNORED]
            self._positives += torch.bincount(known.flatten(), minlength=len(self._positives))
            self._total += known.numel()
        else:
            by_label = targets.reshape(len(targets), len(self._positives), -1).double()
            self._positives += by_label.sum((0, 2))
            self._total += len(targets) * by_label.shape[2]

    def weights(self, loss: AnyLoss) -> tuple[float, ...]:
        """1 / (K p) for one of K classes with the share p; the ratio of negatives to positives for a label.

        The weight of a class or label that does not occur is 1.
        """
        positives = self._positives
        if isinstance(loss, BinaryCrossEntropy):
            found = (self._total - positives) / positives
        else:
            found = self._total / (int((positives > 0).sum()) * positives)
        return tuple(torch.where((positives > 0) & (found > 0), found, 1.0).tolist())


def balanced(
    losses: Mapping[str, AnyLoss], targets: Nested, outputs: Mapping[str, int]
) -> dict[str, tuple[float, ...]]:
    """The weights of the losses that are `balanced`, from the targets of the whole training set.

    outputs: the channels of each output.
    """
    found = {}
    for name, loss in losses.items():
        if getattr(loss, "class_weights", None) == "balanced":
            counts = Counts(outputs[name])
            counts.add(loss, targets[name] if isinstance(targets, Mapping) else targets)
            found[name] = counts.weights(loss)
    return found


def all_targets(train: Batches) -> Nested:
    """The targets of a whole training set, by a pass over its batches."""
    from archspec.data.nested import each, joined

    return joined([each(Tensor.cpu, batch.y) for batch in train.batches(0)])
