"""What a convention is, and what it counts of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from archspec.analysis.conventions.modules import Call, Module

PLUGIN = "the op of a plugin: what the tool counts of its module is not known"


class Count(NamedTuple):
    """What a tool counts of a module, or of a call.

    what: the module's class or the function. amount: the tool's number. macs, elementwise_flops: archspec's of the
    same. reason: why the amount is not archspec's.
    """

    what: str
    amount: float
    macs: int
    elementwise_flops: int
    reason: str


@dataclass(frozen=True, slots=True)
class Convention:
    """One number that a tool prints.

    name: on the command line. tool: with the version that it was read from. unit: of the number. per_mac: how much the
    tool counts for a multiply-add. one_sample: whether the tool runs one sample, whatever the batch. how: how it is
    called.
    """

    name: str
    tool: str
    unit: str
    per_mac: int
    count: Callable[[Module], Iterable[Count]]
    how: str
    one_sample: bool = False


class Difference(NamedTuple):
    """By how much a tool's number differs from archspec's for one kind of layer. layers: how many there are."""

    what: str
    layers: int
    amount: int
    reason: str


class Omission(NamedTuple):
    """Work that a tool does not count. macs, elementwise_flops: archspec's."""

    what: str
    layers: int
    macs: int
    elementwise_flops: int
    reason: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A tool's number for a network, and why it is not archspec's.

    total = per_mac × (macs − the macs of `left_out`) + the amounts of `differences`. exact: whether the number is
    known to the last digit: it is not for a network with ops of plugins. fails: the path of a norm without running
    statistics that cannot run on this batch, so that the tool prints no number.
    """

    convention: Convention
    batch_size: int
    total: int
    macs: int
    differences: tuple[Difference, ...]
    left_out: tuple[Omission, ...]
    exact: bool
    fails: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As `profile --json` prints it."""
        of = self.convention
        return {
            "convention": of.name, "tool": of.tool, "unit": of.unit, "per_mac": of.per_mac, "how": of.how,
            "batch_size": self.batch_size, "total": self.total, "macs": self.macs, "exact": self.exact,
            "fails": self.fails,
            "differences": [each._asdict() for each in self.differences],
            "left_out": [each._asdict() for each in self.left_out],
        }


def by_call(module: Module, amount: Callable[[Module, Call], tuple[float, str] | None], reason: str) -> list[Count]:
    """The counts of a tool that watches functions. reason: of a function that has no rule; its amount is 0.

    The element-wise work of a layer is that of its last call, such as the softmax of an attention.
    """
    counts = []
    for k, call in enumerate(module.calls):
        number, why = amount(module, call) or (0, reason)
        elementwise = module.elementwise_flops if k == len(module.calls) - 1 else 0
        counts.append(Count(call.name, number, call.macs, elementwise, why))
    return counts


def by_module(module: Module, rule: Callable[[Module], tuple[float, str]] | None, reason: str) -> list[Count]:
    """The count of a tool that watches modules. reason: of a class that has no rule; its amount is 0."""
    number, why = (0, reason) if rule is None else rule(module)
    return [Count(module.name, number, module.macs, module.elementwise_flops, why)]
