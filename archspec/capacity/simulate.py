"""What a step or a forward pass needs in a setting, from `archspec.execution`; each setting is simulated once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from archspec.execution import Execution, Setting, execute
from archspec.ir import Graph


class Price(NamedTuple):
    """What an execution costs in time. unit: of `of`, in words."""

    of: Callable[[Execution], float]
    unit: str


@dataclass(slots=True)
class Simulated:
    """The executions of one network. setting: the one that changes are applied to."""

    graph: Graph
    setting: Setting
    known: dict[Setting, Execution] = field(default_factory=dict, repr=False)

    def run(self, **changes: Any) -> Execution:
        """The execution in the setting with these fields changed."""
        setting = replace(self.setting, **changes)
        if setting not in self.known:
            self.known[setting] = execute(self.graph, setting)
        return self.known[setting]

    def peak(self, **changes: Any) -> int:
        """The peak of memory in bytes."""
        return self.run(**changes).peak_bytes


def _macs(execution: Execution) -> float:
    return sum([kernel.macs for kernel in execution.kernels])


WORK: Final = Price(_macs, "multiply-adds")  # of both directions
