"""`--fit`: the setting in which a recipe trains on this machine, and the changes that make its steps fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from archspec.backends.step import target_of
from archspec.capacity import WORK, Fitting, Price, fitted, predicted_time, recipe_setting
from archspec.devices.calibration import own_calibration
from archspec.devices.models import CalibratedModel
from archspec.execution import Setting
from archspec.train.setup import check_shares

if TYPE_CHECKING:
    from archspec.ir import Graph
    from archspec.language.recipe import Recipe
    from archspec.train.setup import Machine


def training_setting(graph: Graph, recipe: Recipe, machine: Machine) -> Setting:
    """How one process of this machine trains: its part of the batch, and the machine's precision and layout.

    The memory of a CPU has to hold oneDNN's copies too.
    """
    settings, target = machine.settings, target_of(machine.device)
    setting = Setting(
        precision=settings.precision, channels_last=settings.channels_last, target=target, libraries=target == "cpu",
    )
    return replace(recipe_setting(graph, recipe, setting), batch_size=recipe.batch_size // machine.group.size)


def fit_recipe(graph: Graph, recipe: Recipe, machine: Machine, memory: int) -> tuple[Recipe, Fitting]:
    """The recipe with the changes of `fit_memory`, and these changes."""
    fitting = fit_memory(graph, recipe, machine, memory)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in fitting.changes.items()}
    return recipe.model_copy(update=values), fitting


def fit_memory(graph: Graph, recipe: Recipe, machine: Machine, memory: int) -> Fitting:
    """The changes of the recipe with which a step of each process fits into `memory` bytes.

    Raises SpecError BUILD201 if nothing is enough, and RUN332 if the processes cannot share a batch evenly.
    """
    check_shares(recipe, machine.group)
    fitting = fitted(graph, training_setting(graph, recipe, machine), memory, _price(machine))
    if "batch_size" not in fitting.changes:
        return fitting
    whole = fitting.changes["batch_size"] * machine.group.size
    return replace(fitting, changes={**fitting.changes, "batch_size": whole})


def _price(machine: Machine) -> Price:
    """The time of a step on this machine if it is calibrated, otherwise its multiply-adds."""
    found = own_calibration(machine.device.type)
    return WORK if found is None else predicted_time(CalibratedModel(found))
