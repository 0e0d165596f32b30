"""Everything that is needed to start a run again with one change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from archspec.analysis.linear_chains import linear_chains
from archspec.api import examine
from archspec.backends.built import layers_with
from archspec.data.batches import Batches
from archspec.diagnostics import SpecError
from archspec.ir import Graph
from archspec.language.recipe import Recipe
from archspec.language.resolve import without_unused_vars
from archspec.ops.traits import Convolves, Drops, Normalises, Projects, Saturates
from archspec.train.distributed.process_group import ALONE
from archspec.train.doctor.edit import RECIPE, apply_change, norm_after
from archspec.train.doctor.history import Facts
from archspec.train.setup import Machine


@dataclass(frozen=True, slots=True)
class Patient:
    """Everything that is needed to start a run again.

    data: the resolved spec as plain data, with the recipe of the run as `train`. evaluated: the images that are
    evaluated after each epoch. split: the name of their split.
    """

    data: Mapping[str, Any]
    graph: Graph
    recipe: Recipe
    machine: Machine
    train: Batches
    evaluated: Batches
    split: str = "test"

    def alone(self) -> Patient:
        """The same for a single process and without compiling, which would take longer than a trial."""
        settings = replace(self.machine.settings, compile=False, cuda_graphs=False)
        return replace(self, machine=replace(self.machine, group=ALONE, settings=settings), train=self.train.alone())

    def changed(self, change: Mapping[str, Any]) -> tuple[Graph, Recipe] | None:
        """Network and recipe with the change; None if it cannot be applied."""
        try:
            if all(key.startswith(RECIPE) for key in change):
                recipe = apply_change({"train": self.recipe.to_data()}, change)["train"]
                return self.graph, Recipe.model_validate(recipe)
            spec = apply_change({**self.data, "train": self.recipe.to_data()}, change)
            found = examine(without_unused_vars(spec)).loaded
        except (SpecError, ValueError):
            return None
        same = found is None or found.graph.equals(self.graph)
        return None if found is None or same else (found.graph, found.recipe())


def facts_of(model: nn.Module, recipe: Recipe, graph: Graph | None) -> Facts:
    """What is known before the first step. graph: of the network, if it is known."""
    weighted = [(layer.op, isinstance(trait, Convolves)) for layer, trait in layers_with(model, Projects)]
    convolutions = [op for op, convolves in weighted if convolves] or [op for op, _ in weighted]
    norms = dict.fromkeys(norm_after(type(op)) for op in convolutions)
    chains = [] if graph is None else linear_chains(graph)
    return Facts(
        dropout=max((drops.share(layer.op) for layer, drops in layers_with(model, Drops)), default=0.0),
        weight_decay=recipe.weight_decay,
        momentum=recipe.momentum if recipe.optimizer == "sgd" else 0.0,
        norms=tuple(norm for norm in norms if norm),
        batch_norm=any(norm.batch for _, norm in layers_with(model, Normalises)),
        saturates=any(s.family.high is not None for _, s in layers_with(model, Saturates)),
        chain=chains[0] if chains else (),
    )
