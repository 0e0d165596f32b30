"""The predicted time of a network on a device, from the kernels of `archspec.execution`; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.analysis.resources import Resources
from archspec.devices.gpu import Circumstances
from archspec.devices.models import TimeModel
from archspec.devices.predict import Prediction, predict
from archspec.devices.targets import time_model
from archspec.execution import Execution


@dataclass(frozen=True, slots=True)
class Predicted:
    """The predicted times of a network: of a forward pass in evaluation, and of a training step if there is one."""

    forward: Prediction
    step: Prediction | None

    @property
    def main(self) -> Prediction:
        """The training step, or the forward pass where nothing is trained."""
        return self.step or self.forward

    def totals(self) -> dict[str, Any]:
        """The figures of the whole network, for JSON, in milliseconds."""
        step = self.step
        return {
            "predicted_forward_ms": round(self.forward.milliseconds, 4),
            "predicted_step_ms": None if step is None else round(step.milliseconds, 4),
            "prediction": {"forward": self.forward.to_json(), "step": None if step is None else step.to_json()},
        }

    def layer(self, path: str) -> dict[str, Any]:
        """The figures of one layer, for JSON: its parts of both passes, in milliseconds; "": what belongs to no layer.

        predicted_ms, bound: of the training step, or of the forward pass where nothing is trained.
        """
        return {
            "predicted_ms": _part(self.main, path),
            "predicted_forward_ms": _part(self.forward, path),
            "predicted_step_ms": None if self.step is None else _part(self.step, path),
            "bound": self.main.layers[path].bound if path in self.main.layers else None,
        }


def _part(whole: Prediction, path: str) -> float:
    """A layer's part of a pass, in milliseconds: 0 where it runs no kernel, as a view."""
    time = whole.layers.get(path)
    return 0.0 if time is None else round(time.milliseconds, 4)


def times_here(found: Resources) -> Predicted | None:
    """The times on this machine's CPU; None if it is not calibrated."""
    model = time_model(None)
    return None if model is None else predict_times(found, model)


def predict_times(found: Resources, model: TimeModel) -> Predicted:
    """The times of both passes of a network in the setting of `found`."""
    step = None if found.training is None else predict_execution(found.training, model)
    return Predicted(predict_execution(found.inference, model), step)


def predict_execution(execution: Execution, model: TimeModel) -> Prediction:
    """The time of a simulated pass."""
    setting = execution.setting
    low = {"bfloat16": "bf16", "float16": "fp16"}.get(setting.dtype)
    circumstances = Circumstances(low or setting.precision, setting.channels_last, setting.training)
    return predict(execution.kernels, model, circumstances)
