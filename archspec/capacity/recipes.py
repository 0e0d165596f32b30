"""The setting in which a recipe trains."""

from __future__ import annotations

from dataclasses import replace

from archspec.analysis.parts import check_parts, frozen_tensors
from archspec.execution import Optimizer, Setting
from archspec.ir import Graph
from archspec.language.recipe import Recipe


def recipe_setting(graph: Graph, recipe: Recipe, setting: Setting) -> Setting:
    """The setting with all that the recipe says of memory: batch, optimizer, frozen and recomputed parts, average.

    Raises SpecError SPEC063 or BUILD204 if `freeze` or `recompute` does not suit the network.
    """
    check_parts(graph, recipe)
    return replace(
        setting, batch_size=recipe.batch_size, accumulate=recipe.accumulate, ema=recipe.ema is not None,
        optimizer=Optimizer(recipe.optimizer, recipe.momentum if recipe.optimizer == "sgd" else 0.0),
        frozen=frozen_tensors(graph, recipe), recompute=frozenset(recipe.recompute or ()),
    )
