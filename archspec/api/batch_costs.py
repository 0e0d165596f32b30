"""What a network needs, and how fast it is predicted to be, for several batch sizes. Runs nothing, imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from archspec.diagnostics import SpecError
from archspec.text import bytes_text

if TYPE_CHECKING:
    from archspec.analysis.resources import Resources
    from archspec.analysis.timing import Predicted
    from archspec.devices import Device
    from archspec.devices.models import TimeModel
    from archspec.execution import Setting
    from archspec.ir import Graph


@dataclass(frozen=True, slots=True)
class BatchCost:
    """One batch size.

    found: without a training step where this batch has none, for the reason in `no_step`. times: None if the speed of
    the device is not known, or the batch does not run on it, for the reason in `problem`, a diagnostic of this code.
    """

    batch_size: int
    found: Resources
    times: Predicted | None
    no_step: str | None = None
    problem: str | None = None
    code: str | None = None

    @property
    def images_per_s(self) -> float | None:
        """Images per second of the training step, or of the forward pass if there is no step; None if not known."""
        if self.times is None or not self.times.main.milliseconds:
            return None
        return 1000 * self.batch_size / self.times.main.milliseconds

    @property
    def trains(self) -> bool:
        """Whether the speed is that of a training step."""
        return self.found.training is not None

    @property
    def peak_bytes(self) -> int | None:
        """The larger peak of both passes in bytes; None for a batch that is too small for any pass."""
        passes = (self.found.inference, self.found.training)
        return None if self.code == "BUILD203" else max(run.peak_bytes for run in passes if run is not None)

    def totals(self) -> dict[str, Any]:
        """Memory, traffic and times, for JSON: `totals` of a static profile with this batch size."""
        return self.found.totals() | ({} if self.times is None else self.times.totals())


def batch_costs(graph: Graph, batch_sizes: Iterable[int], setting: Setting, target: str | None) -> Iterator[BatchCost]:
    """The cost of each batch size, simulated in this setting.

    target: the device, as for `time_model`, whose errors it raises. A batch that does not fit into the memory of a
    known device, or is too small for a norm, has its `problem`.
    """
    from archspec.devices import find_device
    from archspec.devices.targets import HERE, time_model

    model, device = time_model(target), None if target in (None, HERE) else find_device(str(target))
    for batch_size in dict.fromkeys(batch_sizes):
        yield _cost(graph, replace(setting, batch_size=batch_size), model, device)


def _cost(graph: Graph, setting: Setting, model: TimeModel | None, device: Device | None) -> BatchCost:
    from archspec.analysis import check_batch, why_no_step
    from archspec.analysis.resources import resources
    from archspec.analysis.timing import predict_times

    found, no_step = resources(graph, setting), why_no_step(graph, setting.batch_size)
    if no_step is not None:
        found = replace(found, training=None)
    try:
        check_batch(graph, setting.batch_size)
    except SpecError as refused:
        first = refused.diagnostics[0]
        return BatchCost(setting.batch_size, found, None, no_step, first.message, first.code)
    problem = None if device is None else _too_large(graph, found, device)
    if problem is not None:
        return BatchCost(setting.batch_size, found, None, no_step, problem, "BUILD201")
    return BatchCost(setting.batch_size, found, None if model is None else predict_times(found, model), no_step)


def _too_large(graph: Graph, found: Resources, device: Device) -> str | None:
    """Why a pass does not fit into a device, counted as `fits` does; None if it fits."""
    from archspec.analysis.resources import resources
    from archspec.api.capacity import tensor_bytes

    if device.kind != "gpu":  # its memory has to hold oneDNN's copies too
        with_copies = resources(graph, replace(found.setting, libraries=True))
        found = replace(with_copies, training=None if found.training is None else with_copies.training)
    needed, memory = found.main.peak_bytes, tensor_bytes(device)
    if needed <= memory:
        return None
    what = "a forward pass" if found.training is None else "a training step"
    return (f"{what} with batches of {found.setting.batch_size} needs {bytes_text(needed)}, {device.name} has "
            f"{bytes_text(memory)} for tensors")
