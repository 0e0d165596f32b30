"""Parts of a network that are frozen, or that have their own learning rate."""

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
    """Freeze parts according to the recipe, and record the parameters with their own learning rate.

    Frozen parameters have no gradient, so the optimizer does not receive them and weight decay does not change them.
    Frozen norms compute as in evaluation, see `training_mode`. Dropout in frozen parts remains active.
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
    """The factors of the learning rate from `set_parts`, by the names of parameters; the others have factor 1."""
    factors: Mapping[str, float] = getattr(model, _RATES, {})
    return factors
