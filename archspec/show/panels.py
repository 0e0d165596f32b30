"""What a page shows beside the diagram, as plain data: memory over a step, layers under a machine's roof, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from archspec.analysis.resources import Resources
from archspec.devices import Device
from archspec.execution import Execution
from archspec.text import bytes_text

MOST_POINTS: Final = 1500  # of a timeline; of more, the highest of each group is kept


@dataclass(frozen=True, slots=True)
class Panels:
    """layers: further figures of layers by path: saved, traffic (bytes), time and measured (milliseconds), and the
    work and bytes of their kernels. facts: lines below the title. execution: the step or pass that the charts are
    about. machines: those whose roofs can be shown, the first at the start.
    """

    layers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    facts: Sequence[str] = ()
    execution: Execution | None = None
    machines: Sequence[Device] = ()

    def to_data(self, boxes: Mapping[str, int]) -> dict[str, Any]:
        """For the page's scripts. boxes: the number of each layer's box, by path."""
        if self.execution is None:
            return {}
        found = {"timeline": _timeline(self.execution, boxes)}
        if self.machines:
            found["roofline"] = _roofline(self.execution, self.machines, boxes)
        return found


def panels_of(resources: Resources, machines: Sequence[Device] = ()) -> Panels:
    """The panels of a network whose step was simulated."""
    step, setting = resources.main, resources.setting
    layers: dict[str, dict[str, float]] = {}
    for path in step.layers:
        use = resources.layer(path)
        layers[path] = {
            "saved": use["saved_bytes"], "traffic": use["read_bytes"] + use["written_bytes"],
            **({"time": time} if (time := use.get("predicted_step_ms")) is not None else {}),
        }
    peaks = [f"{bytes_text(resources.inference.peak_bytes)} in inference"]
    if resources.training is not None:
        momentum = f" with momentum {setting.optimizer.momentum:g}" if setting.optimizer.momentum else ""
        how = f"{setting.optimizer.kind}{momentum}, {setting.precision}"
        peaks.append(f"{bytes_text(resources.training.peak_bytes)} in a training step ({how})")
    return Panels(layers, [f"peak memory of a batch of {setting.batch_size}: {', '.join(peaks)}"], step, machines)


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


def _roofline(execution: Execution, machines: Sequence[Device], boxes: Mapping[str, int]) -> dict[str, Any]:
    """Work and bytes of each layer's kernels, and the machines' roofs (Williams, Waterman & Patterson 2009)."""
    work: dict[int, list[float]] = {}
    for kernel in execution.kernels:
        box = boxes.get(kernel.layer)
        if box is not None:
            point = work.setdefault(box, [0.0, 0.0])
            point[0] += 2 * kernel.macs + kernel.flops
            point[1] += kernel.read_bytes + kernel.written_bytes
    precision = execution.setting.precision
    roofs = [[m.name, m.peak_flops(precision), m.bandwidth] for m in machines if isfinite(m.peak_flops(precision))]
    return {
        "points": [[box, flops, moved] for box, (flops, moved) in work.items() if flops and moved],
        "precision": precision, "machines": roofs,
    }
