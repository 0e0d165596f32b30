"""The chance level of a run with any loss: the loss of the best constant prediction."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from archspec.data.nested import Nested, tensors
from archspec.language.loss import BinaryCrossEntropy, CrossEntropy, OwnLoss
from archspec.train.losses import OutputLoss
from archspec.train.objective import Objective
from archspec.train.scores import IGNORED


def is_plain(objective: Objective) -> bool:
    """Whether the chance level is the entropy of the labels: a single cross entropy without weights of images."""
    (first, *others) = objective.all_losses.values()
    if others or first.own is not None or not isinstance(first.loss, CrossEntropy):
        return False
    return first.weight == 1 and first.class_weights is None and first.loss.class_weights is None


def constant_loss(objective: Objective, targets: Nested) -> float | None:
    """The sum of the losses of the best constant predictions for these targets; None with a user's or a plugin's loss.

    Label smoothing is ignored. For l1 and huber the median counts as the best constant.
    """
    total = 0.0
    for output, loss in objective.all_losses.items():
        if loss.own is not None or isinstance(loss.loss, OwnLoss):
            return None
        own = targets[output] if isinstance(targets, Mapping) and output in targets else next(tensors(targets))
        total += loss.weight * _of_output(loss, own.detach().cpu())
    return total


def _of_output(loss: OutputLoss, targets: Tensor) -> float:
    if isinstance(loss.loss, CrossEntropy):
        return _entropy(targets[targets != IGNORED].flatten(), loss.class_weights)
    y = targets.double().reshape(len(targets), -1)
    if isinstance(loss.loss, BinaryCrossEntropy):
        share = y.mean(0)
        weights = torch.tensor(loss.class_weights or (1.0,), dtype=torch.float64)
        parts = len(weights) if y.shape[1] % len(weights) == 0 else 1
        positives, negatives = share.reshape(parts, -1) * weights[:parts, None], (1 - share).reshape(parts, -1)
        answer = positives / (positives + negatives)
        return float(-(torch.xlogy(positives, answer) + torch.xlogy(negatives, 1 - answer)).mean())
    answer = y.mean(0) if loss.loss.kind == "mse" else y.median(0).values
    return float(OutputLoss(loss.loss).training(answer.expand_as(y), y))


def _entropy(labels: Tensor, weights: tuple[float, ...] | None) -> float:
    """Σ p w · H(p w / Σ p w), for classes with shares p and weights w."""
    shares = F.one_hot(labels.long()).double().mean(0)
    counted = shares if weights is None else shares * torch.tensor(weights[: len(shares)], dtype=torch.float64)
    total = counted.sum()
    return float(-torch.xlogy(counted, counted / total).sum())
