"""What a training step minimises: the outputs' losses, with plain, smoothed or mixed labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from random import Random
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from archspec.data.counter import key_of
from archspec.data.nested import Nested, each, part, tensors
from archspec.diagnostics import error, listing
from archspec.language.loss import ONLY, AnyLoss, CrossEntropy, smoothing_of, weights_of
from archspec.train.losses import OutputLoss
from archspec.train.scores import Accuracy, Score

if TYPE_CHECKING:
    from archspec.language.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Targets:
    """The labels of a batch whose images may be mixtures of two.

    labels: (N, …), of the larger part; with several outputs a mapping from output to labels, or one for all. others:
    of the smaller part; None without mixing. share: the weight of `labels`, at least 0.5.
    """

    labels: Nested
    others: Nested = None
    share: float = 1.0

    def part(self, start: int, end: int) -> Targets:
        """The targets of the images `start` … `end` - 1, for a batch that is computed in micro-batches."""
        others = None if self.others is None else part(self.others, start, end)
        return Targets(part(self.labels, start, end), others, self.share)


@dataclass(frozen=True, slots=True)
class Objective:
    """The losses of a recipe. It has no state: the random numbers of a step are a function of seed and step.

    smoothing: the recipe's `label_smoothing`. mixup, cutmix: the parameter of a Beta distribution, or None. losses: of
    each output by its name, the one whose metrics decide first; None for a cross entropy.
    """

    smoothing: float = 0.0
    mixup: float | None = None
    cutmix: float | None = None
    seed: int = 0
    losses: Mapping[str, OutputLoss] | None = None

    @classmethod
    def of(
        cls, recipe: Recipe, losses: Mapping[str, AnyLoss] | None = None,
        class_weights: Mapping[str, tuple[float, ...]] | None = None,
    ) -> Objective:
        """The objective that a recipe describes.

        losses: the recipe's, in the order of the outputs. class_weights: of outputs whose weights depend on the data.
        """
        given = class_weights or {}
        found = {
            output: OutputLoss(loss, smoothing_of(loss, recipe.label_smoothing), given.get(output, weights_of(loss)))
            for output, loss in (losses or recipe.loss).items()
        }
        return cls(recipe.label_smoothing, recipe.mixup, recipe.cutmix, recipe.seed, found)

    @property
    def all_losses(self) -> Mapping[str, OutputLoss]:
        """The loss of each output."""
        return self.losses or {ONLY: OutputLoss(CrossEntropy(), self.smoothing)}

    @property
    def first(self) -> OutputLoss:
        """The loss whose metrics decide."""
        return next(iter(self.all_losses.values()))

    @property
    def classifies(self) -> bool:
        """Whether the metrics are those of a classifier."""
        return isinstance(self.score, Accuracy)

    @property
    def score(self) -> Score:
        """The metrics that decide."""
        return self.first.metrics

    def mix(self, images: Tensor, labels: Nested, step: int) -> tuple[Tensor, Targets]:
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
        return images, Targets(labels, each(lambda label: label.roll(1, 0), labels), share)

    def loss(self, outputs: Nested, targets: Targets) -> Tensor:
        """The loss to minimise: the outputs' mean losses over the batch, summed by their weights; shape ().

        outputs: float32, (N, classes), or a mapping from output to such a tensor. Errors: RUN323, RUN325, RUN326.
        """
        if targets.others is None:
            return self._sum(outputs, targets.labels, OutputLoss.training)
        first, second = (self._sum(outputs, labels, OutputLoss.training) for labels in (targets.labels, targets.others))
        return targets.share * first + (1 - targets.share) * second

    def evaluated(self, outputs: Nested, labels: Nested) -> Tensor:
        """The loss of the outputs that the network has in evaluation, without smoothing and class weights; shape ()."""
        return self._sum(outputs, labels, OutputLoss.evaluated)

    def deciding(self, outputs: Nested, labels: Nested) -> tuple[Tensor, Tensor]:
        """The output whose metrics decide, and its targets."""
        output, loss = next(iter(self.all_losses.items()))
        found = outputs[output] if isinstance(outputs, Mapping) and output in outputs else next(tensors(outputs))
        return found, loss.targets(found, _targets_of(output, labels))

    def _sum(self, outputs: Nested, labels: Nested, loss_of: Callable[[OutputLoss, Tensor, Tensor], Tensor]) -> Tensor:
        losses = self.all_losses
        if ONLY in losses and losses[ONLY].own is not None:  # which takes whatever the network and the data give
            return loss_of(losses[ONLY], outputs, labels)
        if not isinstance(outputs, Mapping):
            outputs = {next(iter(losses)): outputs}
        elif missing := outputs.keys() - losses.keys():
            raise error(
                "RUN326", f"the network has the outputs {listing(outputs)}, and {listing(sorted(missing))} has no loss",
                hint="write a loss for each output: `loss: {" + f"{next(iter(outputs))}: cross_entropy, …" + "}`",
            )
        found = [
            (losses[name].weight, loss_of(losses[name], outputs[name], _targets_of(name, labels))) for name in outputs
        ]
        parts = [loss if weight == 1 else weight * loss for weight, loss in found]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum()


def _targets_of(output: str, labels: Nested) -> Tensor:
    """The targets of an output: those of its name, or the only ones."""
    if not isinstance(labels, Mapping):
        return next(tensors(labels))
    if output in labels:
        return cast("Tensor", labels[output])
    if len(labels) == 1:
        return cast("Tensor", next(iter(labels.values())))
    raise error("RUN326", f"a batch has no targets for the output `{output}`: it has {listing(labels)}",
                hint=f"name the targets as the outputs: `{{\"{output}\": …}}`")


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
