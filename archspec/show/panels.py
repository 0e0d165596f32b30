"""What a page shows beside the diagram, as plain data: memory over a step, layers under a machine's roof, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final, NamedTuple

from archspec.analysis.resources import Resources
from archspec.analysis.timing import Predicted
from archspec.devices import Device, find_device, known_devices
from archspec.devices.calibration import own_calibration
from archspec.devices.predict import Prediction
from archspec.devices.targets import HERE
from archspec.execution import Execution, Setting
from archspec.text import bytes_text, estimates_text, figures_text

STANDARD: Final = "rtx3090"  # whose roof is shown if no machine is asked for, and this one was not calibrated
MOST_POINTS: Final = 1500  # of a timeline; of more, the highest of each group is kept


class Roof(NamedTuple):
    """What a machine can do at most: floating-point operations and bytes of its memory in a second."""

    name: str
    flops: float
    bandwidth: float


def roofs_of(setting: Setting, target: str | None) -> list[Roof]:
    """The roofs of all known devices in a precision, that of the target first; `here` or None is this machine, if it
    was calibrated. Raises SpecError BUILD211 for an unknown device.
    """
    devices = list(known_devices().values())
    own = own_calibration() if target == HERE else own_calibration("cpu") if target is None else None
    chosen = find_device(STANDARD if target in (None, HERE) else str(target))
    found = [_roof(device, setting) for device in (chosen, *(x for x in devices if x.key != chosen.key))]
    if own is not None:
        gmacs = own.peak_gmacs.get(setting.precision) or own.peak_gmacs["fp32"]
        found.insert(0, Roof(own.name, 2e9 * gmacs, 1e9 * own.bandwidth_gb_per_s))
    return [roof for roof in found if isfinite(roof.flops)]


def _roof(device: Device, setting: Setting) -> Roof:
    return Roof(device.name, device.peak_flops(setting.precision), device.bandwidth)


@dataclass(frozen=True, slots=True)
class Panels:
    """layers: see `layer_figures`. facts: lines below the title. execution: the step or pass that the charts are about.
    roofs: the machines to choose from, the first at the start. predicted_on: the machine of the predicted times.
    """

    layers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    facts: Sequence[str] = ()
    execution: Execution | None = None
    roofs: Sequence[Roof] = ()
    predicted_on: str = ""

    def to_data(self, boxes: Mapping[str, int]) -> dict[str, Any]:
        """For the page's scripts. boxes: the number of each layer's box, by path."""
        if self.execution is None:
            return {}
        found = {"timeline": _timeline(self.execution, boxes)}
        if self.roofs:
            found["roofline"] = _roofline(self.execution, self.roofs, boxes)
        return {**found, "predictedOn": self.predicted_on}


def panels_of(
    resources: Resources, *, times: Predicted | None = None, measured: Mapping[str, float] | None = None,
    roofs: Sequence[Roof] = (),
) -> Panels:
    """The panels of a network whose step was simulated. times: predicted ones. measured: milliseconds of its layers."""
    setting, training = resources.setting, resources.training
    how = f"{setting.optimizer.text}, {setting.precision}{', channels last' if setting.channels_last else ''}"
    peaks = [f"{bytes_text(resources.inference.peak_bytes)} in inference"]
    if training is not None:
        peaks.append(f"{bytes_text(training.peak_bytes)} in a training step ({how})")
    facts = [f"peak memory of a batch of {setting.batch_size}: {', '.join(peaks)}"]
    if times is not None:
        facts.append(f"predicted on {times.main.machine}: {_milliseconds(times.forward)} for a forward pass"
                     + (f", {_milliseconds(times.step)} for a training step" if times.step is not None else ""))
    if resources.main.estimated:
        facts.append(estimates_text(resources.main.estimated))
    return Panels(
        layer_figures(resources, times, measured), facts, resources.main, roofs,
        "" if times is None else times.main.machine,
    )


def _milliseconds(found: Prediction) -> str:
    return f"{figures_text(found.milliseconds)} ms ({figures_text(found.low)} to {figures_text(found.high)})"


def layer_figures(
    resources: Resources, times: Predicted | None = None, measured: Mapping[str, float] | None = None
) -> dict[str, dict[str, float]]:
    """Figures of each layer in a training step, by path.

    saved: the bytes that it keeps for backward. traffic: those that it reads and writes. time, measured: milliseconds.
    """
    layers: dict[str, dict[str, float]] = {}
    for path, use in resources.main.layers.items():
        layers[path] = {"saved": use.saved_bytes, "traffic": use.read_bytes + use.written_bytes}
        if times is not None:
            layers[path]["time"] = times.layer(path)["predicted_ms"]
        if measured is not None and path in measured:
            layers[path]["measured"] = measured[path]
    return layers


def _timeline(execution: Execution, boxes: Mapping[str, int]) -> dict[str, Any]:
    """Live bytes after each kernel, with its layer and name."""
    kernels, live = execution.kernels, execution.timeline
    group = -(-len(live) // MOST_POINTS) or 1
    kept = [max(range(k, min(k + group, len(live))), key=live.__getitem__) for k in range(0, len(live), group)]
    names = list(dict.fromkeys(kernels[k].name for k in kept))
    number = {name: k for k, name in enumerate(names)}
    phases = [[0, kernels[kept[0]].direction]] if kept else []
    for at, k in enumerate(kept):
        if kernels[k].direction != phases[-1][1]:
            phases.append([at, kernels[k].direction])
    return {
        "live": [live[k] for k in kept], "layers": [boxes.get(kernels[k].layer, -1) for k in kept],
        "names": names, "kernels": [number[kernels[k].name] for k in kept], "phases": phases,
        "parts": {
            "weights": execution.weight_bytes, "optimizer state": execution.state_bytes,
            "inputs": execution.input_bytes,
        },
        "training": execution.setting.training,
    }


def _roofline(execution: Execution, roofs: Sequence[Roof], boxes: Mapping[str, int]) -> dict[str, Any]:
    """Work and bytes of each layer's kernels, and the machines' roofs (Williams, Waterman & Patterson 2009)."""
    work: dict[int, list[float]] = {}
    for kernel in execution.kernels:
        box = boxes.get(kernel.layer)
        if box is not None:
            point = work.setdefault(box, [0.0, 0.0])
            point[0] += 2 * kernel.macs + kernel.flops
            point[1] += kernel.read_bytes + kernel.written_bytes
    return {
        "points": [[box, flops, moved] for box, (flops, moved) in work.items() if flops and moved],
        "precision": execution.setting.precision, "machines": [list(roof) for roof in roofs],
    }
