"""What a training step minimises: cross entropy with plain, smoothed or mixed labels."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from random import Random
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from archspec.data.counter import key_of

if TYPE_CHECKING:
    from archspec.language.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Targets:
    """The labels of a batch whose images may be mixtures of two.

    labels: (N,), the class of the larger part. others: (N,), the class of the smaller part; None without mixing.
    share: the weight of `labels`, at least 0.5.
    """

    labels: Tensor
    others: Tensor | None = None
    share: float = 1.0

    def part(self, start: int, end: int) -> Targets:
        """The targets of the images `start` … `end` - 1, for a batch that is computed in micro-batches."""
        others = None if self.others is None else self.others[start:end]
        return Targets(self.labels[start:end], others, self.share)


@dataclass(frozen=True, slots=True)
class Objective:
    """The loss of a recipe. It has no state: the random numbers of a step are a function of seed and step.

    smoothing: the recipe's `label_smoothing`. mixup, cutmix: the parameter of a Beta distribution, or None.
    """

    smoothing: float = 0.0
    mixup: float | None = None
    cutmix: float | None = None
    seed: int = 0

    @classmethod
    def of(cls, recipe: Recipe) -> Objective:
        """The objective that a recipe describes."""
        return cls(recipe.label_smoothing, recipe.mixup, recipe.cutmix, recipe.seed)

    def mix(self, images: Tensor, labels: Tensor, step: int) -> tuple[Tensor, Targets]:
        """The images (N, C, H, W) and targets of a step, after mixing. step: counted from 0 over the whole run.

        Each image is mixed with the one before it in the batch; the order of the batch is already random.
        """
        if self.mixup is None and self.cutmix is None:
            return images, Targets(labels)
        draw = Random(key_of(self.seed, step, "mix"))  # noqa: S311 - guards no secret
        ways = [(mixed, self.mixup), (cut, self.cutmix)]
        way, alpha = draw.choice([(way, alpha) for way, alpha in ways if alpha is not None])
        share = draw.betavariate(alpha, alpha)
        images, share = way(images, max(share, 1 - share), draw)
        return images, Targets(labels, labels.roll(1), share)

    def loss(self, logits: Tensor, targets: Targets) -> Tensor:
        """The mean loss over the batch, shape (). logits: float32, (N, classes)."""
        if targets.others is None:
            return self._cross_entropy(logits, targets.labels)
        first, second = (self._cross_entropy(logits, labels) for labels in (targets.labels, targets.others))
        return targets.share * first + (1 - targets.share) * second

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=self.smoothing)


def mixed(images: Tensor, share: float, draw: Random) -> tuple[Tensor, float]:
    """Blend each image with the one before it (Zhang et al. 2017, "mixup", section 2); the images, and their share."""
    return torch.lerp(images.roll(1, 0), images, share), share


def cut(images: Tensor, share: float, draw: Random) -> tuple[Tensor, float]:
    """Copy a box of the image before it into each image (Yun et al. 2019, "CutMix", section 3.1).

    Returns the images, and the share of its area that each keeps. The box is the same for the whole batch. Its centre
    is uniform and the part outside the image is cut off, so the result may be larger than `share`.
    """
    height, width = images.shape[-2:]
    tall, wide = (int(size * sqrt(1 - share)) // 2 for size in (height, width))  # half the box
    row, column = draw.randrange(height), draw.randrange(width)
    top, bottom = max(0, row - tall), min(height, row + tall)
    left, right = max(0, column - wide), min(width, column + wide)
    result = images.clone()
    result[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
    return result, 1 - (bottom - top) * (right - left) / (height * width)
