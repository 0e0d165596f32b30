"""What a run of a recipe takes on a device: time and memory. Reads no data, imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any

from archspec.diagnostics import plural
from archspec.text import bytes_text, duration_text, figures_text

if TYPE_CHECKING:
    from archspec.devices.models import TimeModel
    from archspec.devices.predict import Prediction
    from archspec.execution import Setting
    from archspec.ir import Graph
    from archspec.language.recipe import Recipe


@dataclass(frozen=True, slots=True)
class RunCost:
    """The cost of a run.

    step: an update. steps: of an epoch. evaluation_ms: after each epoch. test_ms: at the end. peak_bytes: of a step.
    samples: what the network takes, in words.
    """

    recipe: Recipe
    step: Prediction
    steps: int
    evaluation_ms: float
    test_ms: float
    peak_bytes: int
    samples: str

    @property
    def epoch_s(self) -> float:
        """An epoch with its evaluation, in seconds."""
        return (self.steps * self.step.milliseconds + self.evaluation_ms) / 1000

    @property
    def total_s(self) -> float:
        """All epochs, and the test at the end, in seconds."""
        return self.recipe.epochs * self.epoch_s + self.test_ms / 1000

    @property
    def text(self) -> str:
        """`3 s an epoch, 30 s in all: 10 epochs of fashion-mnist; a step of 256 images takes 12.3 ms and needs …`."""
        recipe, step = self.recipe, self.step
        epochs = f"{plural(recipe.epochs, 'epoch')} of {recipe.data}"
        return (
            f"{duration_text(self.epoch_s)} an epoch, {duration_text(self.total_s)} in all: {epochs}; a step of "
            f"{recipe.images_per_step:,} {self.samples} takes {figures_text(step.milliseconds)} ms, bound by "
            f"{step.bound}, and needs {bytes_text(self.peak_bytes)}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        recipe = self.recipe
        return {
            "data": recipe.data, "batch_size": recipe.batch_size, "accumulate": recipe.accumulate,
            "epochs": recipe.epochs, "steps_per_epoch": self.steps,
            "predicted_step_ms": round(self.step.milliseconds, 4), "bound": self.step.bound,
            "peak_bytes": self.peak_bytes, "epoch_s": round(self.epoch_s, 4), "total_s": round(self.total_s, 4),
        }


def run_cost(graph: Graph, recipe: Recipe, setting: Setting, model: TimeModel) -> RunCost | None:
    """What a run of `recipe` takes. setting: precision, layout, device and optimizer; the recipe says the rest.

    None if the number of images is only known after reading the data. The network must have parameters to train.
    """
    from archspec.analysis.timing import predict_execution
    from archspec.capacity import PASSES, of_passes, recipe_setting
    from archspec.data.amounts import run_images
    from archspec.execution import execute

    seen = run_images(recipe)
    if seen is None:
        return None
    setting = replace(recipe_setting(graph, recipe, setting), optimizer=setting.optimizer)
    simulated = execute(graph, replace(setting, accumulate=min(setting.accumulate, PASSES)))
    execution = of_passes(simulated, setting.accumulate)
    step = predict_execution(execution, model)
    evaluation = predict_execution(execute(graph, replace(setting, training=False, accumulate=1)), model)
    each_epoch, at_end = (
        ceil(n / recipe.batch_size) * evaluation.milliseconds for n in (seen.each_epoch, seen.at_end))
    return RunCost(
        recipe, step, ceil(seen.train / recipe.images_per_step), each_epoch, at_end, execution.peak_bytes,
        graph.samples,
    )
