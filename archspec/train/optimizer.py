"""The recipe's optimizer over a model's parameters."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import nn

from archspec.backends.built import layers
from archspec.language.recipe import Recipe
from archspec.train.finetune import rate_factors_of

FUSED_DEVICES: Final = frozenset({"cpu", "cuda"})  # where one kernel for the whole update is at least as fast
FACTOR: Final = "lr_factor"  # of a parameter group: what the run's rate is multiplied by, see the recipe's `lr_scale`


def make_optimizer(
    model: nn.Module, recipe: Recipe, device: torch.device, *, sharded: bool = False
) -> torch.optim.Optimizer:
    """The optimizer of `recipe` for all trainable parameters of `model`, fused where `device` supports it.

    sharded: whether FSDP spreads `model` over several processes; torch lacks some fused kernels for that.
    """
    parameters = parameter_groups(model, recipe)
    fused = device.type in FUSED_DEVICES and not sharded
    if recipe.optimizer == "sgd":
        optimizer = torch.optim.SGD(
            parameters, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay, fused=fused,
        )
        if recipe.momentum:  # torch leaves its own buffers uninitialised if a scaler skips the first step
            for parameter in (p for group in optimizer.param_groups for p in group["params"]):
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return optimizer
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(
        parameters, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay,
        fused=fused,
    )


def parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """The trainable parameters, grouped by whether they decay and by the factor of their rate, under `FACTOR`.

    An op declares which of its parameters decay. In modules that archspec did not build, a parameter decays if it
    has two dimensions or more.
    """
    decays = {tensor: spec.decays for layer in layers(model) for _, tensor, spec in layer.parameters()}
    factors = rate_factors_of(model)
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            spared = not (recipe.decay_norm_and_bias or decays.get(parameter, parameter.ndim > 1))
            groups.setdefault((spared, factors.get(name, 1.0)), []).append(parameter)
    return [
        {"params": parameters, FACTOR: factor} | ({"weight_decay": 0.0} if spared else {})
        for (spared, factor), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def clip_gradients(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, most: float | None) -> None:
    """Scale all gradients down to a total norm of at most `most`, without waiting for the device. None: do nothing."""
    if most is None:
        return
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], most)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group, times its factor, without a copy to or from the device."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(FACTOR, 1.0)
