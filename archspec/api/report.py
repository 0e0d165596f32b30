"""A network's report with what its spec says: the description, and the recipe with what its run takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archspec.analysis import Report
    from archspec.execution import Setting
    from archspec.ir import Graph
    from archspec.language.recipe import Recipe


def of_spec(report: Report, description: str, recipe: Recipe | None) -> Report:
    """The report of a spec's network. recipe: its `train`."""
    return replace(report, description=description, recipe=recipe, run_text=_run_here)


def _run_here(graph: Graph, recipe: Recipe, setting: Setting) -> str | None:
    """What the recipe's run takes on this machine's CPU; None if that is not calibrated, or the images are unknown."""
    from archspec.api.run_cost import run_cost
    from archspec.devices.targets import time_model

    model = time_model(None)
    run = None if model is None else run_cost(graph, recipe, setting, model)
    return None if run is None else run.text
