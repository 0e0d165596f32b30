"""Parts of a network that do not learn, or learn at a rate of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from torch import nn

from archspec.analysis.parts import frozen_tensors, holds, rate_factors
from archspec.backends.built import freeze_norm, layers_with
from archspec.ir import Graph, sites
from archspec.language.recipe import Recipe
from archspec.ops.traits import Normalises

_RATES: Final = "archspec_rate_factors"  # of a network: name of a parameter → factor; deepcopy keeps it


def set_parts(model: nn.Module, graph: Graph, recipe: Recipe) -> None:
    """Freeze what the recipe freezes, and note the parameters that have a rate of their own.

    Frozen parameters need no gradient, so the optimizer does not get them and weight decay does not touch them; frozen
    norms compute as in evaluation, see `training_mode`. Dropout in frozen parts goes on.
    """
    frozen = frozen_tensors(graph, recipe)
    for name, parameter in model.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)
    parts = recipe.freeze or ()
    held = {site.state for site in sites(graph) for part in parts if holds(part, site.path) or holds(part, site.state)}
    for layer, _ in layers_with(model, Normalises):
        if layer.path in held:
            freeze_norm(layer.module)
    setattr(model, _RATES, rate_factors(graph, recipe))


def rate_factors_of(model: nn.Module) -> Mapping[str, float]:
    """The factors of the learning rate that `set_parts` noted, by the names of the parameters; others have 1."""
    factors: Mapping[str, float] = getattr(model, _RATES, {})
    return factors
