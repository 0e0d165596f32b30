"""Proves that a network can no longer learn, because a layer is constant for every training image."""

from __future__ import annotations

import time
from typing import Any, Final

import torch
from torch import Tensor, nn

from archspec.backends.built import layers_with, normalises_batch
from archspec.data.batches import Batches
from archspec.ops.traits import Family, Saturates
from archspec.train.doctor.history import History
from archspec.train.doctor.second_look import draws
from archspec.train.run import Run

LIMIT_S: Final = 30.0
LOOKS: Final = 2  # consecutive samples with a gradient of 0


def may_be_sealed(history: History, run: Run) -> bool:
    """Whether a pass over all images could prove it: no gradient arrives, and only updates change the activations.

    Dropout, batch norm, augmentation and mixing give a layer other values in each epoch, and weight decay changes
    weights without a gradient.
    """
    recent, recipe = history.samples[-LOOKS:], run.recipe
    if len(recent) < LOOKS or history.sealed is not None or not run.runtime.group.alone:
        return False
    if recipe.weight_decay or recipe.augment or recipe.mixup or recipe.cutmix:
        return False
    if draws(run.state.model) or normalises_batch(run.state.model):
        return False
    return all(sample.weights and sample.weights[0].gradient == 0 == sample.weights[0].update for sample in recent)


@torch.no_grad()
def sealed(run: Run, train: Batches) -> bool:
    """Whether an activation layer has a constant output with slope 0 for every training image.

    Then no gradient passes the layer, so everything before it stays as it is, and so does the layer itself. The check
    ends at the first image that disproves it, and returns False after LIMIT_S seconds.
    """
    constant: dict[str, bool] = {}

    def hook(name: str, family: Family) -> Any:
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and constant.get(name, True):
                constant[name] = _flat(output, family)

        return look

    handles = [
        layer.module.register_forward_hook(hook(layer.path, saturates.family))
        for layer, saturates in layers_with(run.state.model, Saturates)
    ]
    end = time.monotonic() + LIMIT_S
    try:
        with torch.compiler.set_stance("force_eager"), run.runtime.autocast():
            for batch in train.batches(run.state.epoch):
                for images in torch.split(batch.x, run.state.micro_batch or len(batch.x)):
                    run.state.model(images)
                if not any(constant.values()) or time.monotonic() > end:
                    return False
    finally:
        for handle in handles:
            handle.remove()
    return any(constant.values())


def _flat(output: Tensor, family: Family) -> bool:
    """Whether the slope is exactly 0 at every value."""
    if family.high is None:
        return bool((output <= family.low).all())
    return bool(((output == family.low) | (output == family.high)).all())
