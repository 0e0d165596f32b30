"""The recipe's optimizer over a model's parameters."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from archspec.spec.recipe import Recipe

FUSED_DEVICES: Final = frozenset({"cpu", "cuda"})  # one kernel for the whole update, as fast or faster


def make_optimizer(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.Optimizer:
    """The optimizer of `recipe` with every trainable parameter of `model`, fused where `device` has that."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    fused = device.type in FUSED_DEVICES
    if recipe.optimizer == "sgd":
        optimizer = torch.optim.SGD(
            parameters, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay, fused=fused,
        )
        if recipe.momentum:  # torch's own buffers would stay uninitialised if a scaler skipped the first step
            for parameter in parameters:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return optimizer
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(
        parameters, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay,
        fused=fused,
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group, without a copy from or to the device."""
    for group in optimizer.param_groups:
        group["lr"] = rate
