"""The losses of a recipe as functions of an output and its targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from archspec.diagnostics import error
from archspec.language.loss import BinaryCrossEntropy, CrossEntropy, Huber, Loss, takes_classes
from archspec.language.loss import OwnLoss as PluginLoss
from archspec.text import shape_text
from archspec.train.scores import IGNORED, INTEGERS, Score, score_of

OwnLoss = Callable[[Any, Any], Tensor]


@dataclass(frozen=True, slots=True)
class OutputLoss:
    """The loss of one output.

    weight: its factor in the sum. smoothing: of the labels. class_weights: see `language.loss`, as numbers. own: a
    function to use instead of `loss`. score: the metrics.
    """

    loss: Loss
    smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    own: OwnLoss | None = None
    score: Score | None = None

    @property
    def weight(self) -> float:
        """The factor of this loss in the sum of all outputs' losses."""
        return self.loss.weight

    @property
    def metrics(self) -> Score:
        """The metrics that go with the loss."""
        return self.score or score_of(self.loss)

    def targets(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The targets in the form that the loss needs. Errors: RUN323 if their shape does not match the outputs.

        (N,) becomes (N, 1), because torch would otherwise compare every target with every output.
        """
        if self.own is not None:
            return targets
        if takes_classes(self.loss):
            expected = (len(outputs), *outputs.shape[2:])
            if targets.shape != expected and targets.shape == (*expected, 1):
                targets = targets.squeeze(-1)
            if targets.dtype in INTEGERS:
                targets = targets.long()  # the only integers that torch's loss takes on every device
        else:
            expected = tuple(outputs.shape)
            if targets.shape != expected and _leaves_out(targets, outputs):
                targets = targets.reshape(expected)
            targets = targets.to(outputs.dtype)
        if targets.shape != expected:
            wanted, got = shape_text(expected), shape_text(targets.shape)
            raise error(
                "RUN323", f"{self.loss.kind} takes targets {wanted} for outputs {shape_text(outputs.shape)}, got {got}",
                hint="change the targets, or the network's last layer",
            )
        return targets

    def training(self, outputs: Any, targets: Any) -> Tensor:
        """The mean loss over the batch, shape ()."""
        if self.own is not None:
            return _checked(self.own(outputs, targets))
        targets = self.targets(outputs, targets)
        if isinstance(self.loss, PluginLoss):
            return _checked(self.loss.compute(outputs, targets))
        if isinstance(self.loss, CrossEntropy):
            return self._cross_entropy(outputs, targets)
        if isinstance(self.loss, BinaryCrossEntropy):
            return self._binary(outputs, targets)
        return self._regression(outputs, targets)

    def evaluated(self, outputs: Any, targets: Any) -> Tensor:
        """The same, without smoothing and class weights."""
        if self.own is not None:
            return _checked(self.own(outputs, targets))
        return OutputLoss(self.loss).training(outputs, targets)

    def _cross_entropy(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.class_weights is None:
            return F.cross_entropy(outputs, targets, label_smoothing=self.smoothing)
        weights = _on(self.class_weights, outputs.device)
        each = F.cross_entropy(outputs, targets, weights, label_smoothing=self.smoothing, reduction="none")
        return each.sum() / (targets != IGNORED).sum()

    def _binary(self, outputs: Tensor, targets: Tensor) -> Tensor:
        weights = None
        if self.class_weights is not None:
            weights = _on(self.class_weights, outputs.device).reshape(-1, *[1] * (outputs.ndim - 2))
        if self.smoothing:
            targets = targets * (1 - self.smoothing) + self.smoothing / 2
        return F.binary_cross_entropy_with_logits(outputs, targets, pos_weight=weights)

    def _regression(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if isinstance(self.loss, Huber):
            return F.huber_loss(outputs, targets, delta=self.loss.delta)
        return F.mse_loss(outputs, targets) if self.loss.kind == "mse" else F.l1_loss(outputs, targets)


def _leaves_out(targets: Tensor, outputs: Tensor) -> bool:
    """Whether the shapes differ by one dimension of size 1 that the targets leave out; or (N, 1) stands for (N)."""
    ours, theirs = tuple(outputs.shape), tuple(targets.shape)
    shorter = (ours[:k] + ours[k + 1:] for k in range(1, len(ours)) if ours[k] == 1)
    return theirs in shorter or (len(ours) == 1 and theirs == (*ours, 1))


def _checked(loss: Tensor) -> Tensor:
    """The result of the user's loss function, checked. Errors: RUN325."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = shape_text(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise error("RUN325", f"the loss function must return one number as a tensor, got {got}",
                    hint="return the mean over the batch: `loss.mean()`")
    if torch.is_grad_enabled() and not loss.requires_grad:
        raise error("RUN325", "the loss function's result does not depend on the network's outputs",
                    hint="compute it from the outputs, without `detach()`, `item()` or numpy")
    return loss.reshape(())


@lru_cache(maxsize=16)
def _on(weights: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(weights, device=device)
