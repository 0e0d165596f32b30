"""What a step or a forward pass needs in a setting, from `archspec.execution`; each setting is simulated once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from archspec.analysis.timing import predict_execution
from archspec.devices.models import TimeModel
from archspec.execution import Execution, Setting, Tape, execute
from archspec.execution.network import Network
from archspec.ir import Graph

_NEXT_PASS: Final = ("backward", "forward")  # directions of the kernels on both sides of its start
PASSES: Final = 2  # of a step that are simulated: from the second on, the gradients of the first are there


class Price(NamedTuple):
    """What a step costs in time. of_passes: the cost of an execution as it was simulated. unit: of it, in words."""

    of_passes: Callable[[Execution], float]
    unit: str

    def of(self, execution: Execution) -> float:
        """The cost of an execution of `Simulated` with all of its passes: from the second on, all cost the same."""
        further = execution.setting.accumulate - PASSES
        cost = self.of_passes(execution)
        if further <= 0:
            return cost
        two = replace(execution, setting=replace(execution.setting, accumulate=PASSES))
        return cost + further * (self.of_passes(of_passes(two, PASSES + 1)) - cost)


@dataclass(slots=True)
class Simulated:
    """The executions of one network. setting: the one that changes are applied to."""

    graph: Graph
    setting: Setting
    known: dict[Setting, Execution] = field(default_factory=dict, repr=False)
    network: Network | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """The executions share the weights."""
        self.network = self.network or Network(self.graph)

    def under(self, setting: Setting) -> Simulated:
        """The executions of the same network, with changes applied to another setting."""
        return Simulated(self.graph, setting, self.known, self.network)

    def run(self, **changes: Any) -> Execution:
        """The execution in the setting with these fields changed.

        Of many passes it simulates two, which reach the peak, and adds the inputs of the others.
        """
        setting = replace(self.setting, **changes)
        if setting not in self.known:
            passes = min(setting.accumulate, PASSES)
            found = execute(self.graph, replace(setting, accumulate=passes), self.network)
            waiting = _waiting_bytes(found, setting.accumulate)
            self.known[setting] = replace(
                found, setting=setting, timeline=tuple([x + waiting for x in found.timeline]),
                peak_bytes=found.peak_bytes + waiting, input_bytes=found.input_bytes + waiting,
            )
        return self.known[setting]

    def peak(self, **changes: Any) -> int:
        """The peak of memory in bytes."""
        return self.run(**changes).peak_bytes


def of_passes(execution: Execution, passes: int) -> Execution:
    """The step of so many passes, of which `execution` has simulated at most two.

    From the second pass on, all are alike: they run the same kernels, in the memory that the second one needs. Besides,
    the inputs of all passes wait from the start.
    """
    simulated, setting = execution.setting.accumulate, replace(execution.setting, accumulate=passes)
    if passes == simulated:
        return execution
    kernels, timeline, further = execution.kernels, execution.timeline, passes - simulated
    end = next(k for k, kernel in enumerate(kernels) if kernel.direction == "optimizer")
    starts = (k for k in range(1, end) if (kernels[k - 1].direction, kernels[k].direction) == _NEXT_PASS)
    second = next(starts, end // simulated)  # without a backward pass, where nothing learns, the passes are equal
    waiting = _waiting_bytes(execution, passes)
    return replace(
        execution, setting=setting, kernels=(*kernels[:end], *further * kernels[second:end], *kernels[end:]),
        timeline=tuple([x + waiting for x in (*timeline[:end], *further * timeline[second:end], *timeline[end:])]),
        peak_bytes=execution.peak_bytes + waiting, input_bytes=execution.input_bytes + waiting,
    )


def _waiting_bytes(execution: Execution, passes: int) -> int:
    """What the inputs of the passes take that `execution` has not simulated."""
    simulated, setting = execution.setting.accumulate, execution.setting
    if passes == simulated:
        return 0
    labels = Tape(setting).new((setting.batch_size,), "int64").storage.size  # one for all passes
    return (passes - simulated) * (execution.input_bytes - labels) // simulated


def _macs(execution: Execution) -> float:
    return sum([kernel.macs for kernel in execution.kernels])


def predicted_time(model: TimeModel) -> Price:
    """The predicted time of a step on a device."""
    return Price(lambda execution: predict_execution(execution, model).milliseconds, "predicted time")


WORK: Final = Price(_macs, "multiply-adds")  # of both directions
