"""Says before a run how long it will take and what memory a step needs, and after it how long a step took."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.capacity import PASSES, of_passes
from archspec.devices.calibration import Machine as Calibrated
from archspec.devices.calibration import cpu_name, load_calibration
from archspec.devices.known import sheet_of
from archspec.devices.models import CalibratedModel, SheetModel, TimeModel
from archspec.devices.predict import Prediction
from archspec.text import bytes_text, duration_text, figures_text
from archspec.train.fitting import training_setting

if TYPE_CHECKING:
    from archspec.ir import Graph
    from archspec.train.setup import Task
    from archspec.train.summary import Summary


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run will take, without loading data and writing files.

    step: of one update; None on a machine that is not known. epoch_s: an epoch's steps and its evaluation; 0 without
    `step`. epochs: of the recipe. peak_bytes: of a step. images: of an update.
    """

    step: Prediction | None
    epoch_s: float
    epochs: int
    peak_bytes: int
    images: int

    @property
    def text(self) -> str:
        """One line."""
        step = self.step
        if step is None:
            return f"a step needs {bytes_text(self.peak_bytes)}; after `archspec calibrate` its time is predicted too"
        times = f"{figures_text(step.milliseconds)} ms a step ({figures_text(step.low)} to {figures_text(step.high)})"
        whole = f"{duration_text(self.epoch_s)} an epoch, {duration_text(self.epochs * self.epoch_s)} in all"
        return (
            f"predicted on {step.machine}: {times}, bound by {step.bound}; {whole}; "
            f"a step needs {bytes_text(self.peak_bytes)}"
        )

    def measured_ms(self, summary: Summary) -> float | None:
        """The measured time of a step: that of the epochs after the first, in which everything warms up."""
        speeds = [result.images_per_s for result in summary.epochs if result.images_per_s > 0]
        return 1000 * self.images / median(speeds[1:] or speeds) if speeds else None

    def outcome(self, summary: Summary) -> str | None:
        """The measured time of a step beside the predicted one, with loading of data; None without one of them."""
        measured = self.measured_ms(summary)
        if measured is None or self.step is None:
            return None
        predicted = self.step.milliseconds
        change = 100 * (predicted / measured - 1)
        difference = f"{change:+.0f} %".replace("-", "−")
        return (
            f"a step took {figures_text(measured)} ms with loading of data; predicted {figures_text(predicted)} ms "
            f"({difference})"
        )

    def to_json(self, summary: Summary | None = None) -> dict[str, Any]:
        """Plain data; with a summary the measured time of a step, too."""
        measured = None if summary is None else self.measured_ms(summary)
        times = {"step": None, "epoch_s": None, "total_s": None} if self.step is None else {
            "step": self.step.to_json(), "epoch_s": self.epoch_s, "total_s": self.epochs * self.epoch_s,
        }
        return times | {"peak_bytes": self.peak_bytes, "measured_step_ms": measured}


def forecast(graph: Graph, task: Task) -> Forecast | None:
    """What a run of `task` will take on its machine: only memory if that is neither calibrated nor a GPU that is known.

    None for what the simulation does not know: several processes, compiled networks, archspec's own kernels.
    """
    machine, recipe, settings = task.machine, task.recipe, task.machine.settings
    if machine.group.size > 1 or settings.compile or settings.cuda_graphs or settings.own_kernels:
        return None
    setting, model = training_setting(graph, recipe, machine), model_of(machine.device)
    found = resources(graph, replace(setting, accumulate=min(setting.accumulate, PASSES)))
    if found.training is None:
        return None
    step = of_passes(found.training, setting.accumulate)
    found = replace(found, setting=setting, training=step)
    times = None if model is None else predict_times(found, model)
    if times is None or times.step is None:
        return Forecast(None, 0.0, recipe.epochs, step.peak_bytes, recipe.images_per_step)
    evaluated = task.validation or task.test
    seconds = (len(task.train) * times.step.milliseconds + len(evaluated) * times.forward.milliseconds) / 1000
    return Forecast(times.step, seconds, recipe.epochs, step.peak_bytes, recipe.images_per_step)


def model_of(device: torch.device) -> TimeModel | None:
    """The model of times on a device of this machine: calibrated, or of a GPU that is known; None otherwise."""
    name = "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)
    version = torch.__version__.partition("+")[0]
    calibration = load_calibration(Calibrated(cpu_name(), name, torch.get_num_threads(), version).file)
    if calibration is not None:
        return CalibratedModel(calibration)
    sheet = None if device.type == "cpu" else sheet_of(name)
    return None if sheet is None else SheetModel(sheet)
