"""Layers whose saved tensors are dropped in forward, and computed again in backward (torch.utils.checkpoint)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from archspec.execution.tensor import Storage, Tensor

if TYPE_CHECKING:
    from archspec.execution.autograd import Node
    from archspec.execution.recorder import Recorder

RANDOM_BYTES: Final = 5056  # of the state of a CPU's random numbers, which torch keeps so that dropout draws the same


class Region:
    """Layers that run again when backward reaches the last of them.

    As torch.utils.checkpoint with use_reentrant=False. inputs: of its first layers, which `run` takes; it
    keeps them, and the state of the random numbers, until all of its nodes that save anything have run. buffers: of
    its layers, which work on copies when they run again (`backends.recompute`). saves: the number of these nodes.
    """

    def __init__(
        self, inputs: list[Tensor], random: Tensor | None, buffers: Sequence[Tensor],
        run: Callable[[Sequence[Tensor]], object],
    ) -> None:
        self.inputs, self.random, self.buffers = inputs, random, buffers
        self.run: Callable[[Sequence[Tensor]], object] | None = run
        self.nodes: list[Node] = []
        self.saves = 0

    def restore(self, tape: Recorder) -> None:
        """Run the layers again, unless that has been done."""
        if self.run is not None:
            run, self.run = self.run, None
            tape.recomputation.replay(tape, self, run)


class Recomputation:
    """What runs at the moment: layers of a region for the first time or again, or others.

    region: that of the layers that run for the first time. replayed: the nodes of a region that runs again which have
    not got what they save.
    """

    def __init__(self) -> None:
        self.region: Region | None = None
        self.replayed: list[Node] | None = None
        self._missing = 0  # nodes of `replayed` that save anything
        self._copies: dict[Storage, Tensor] = {}  # of the buffers of the region that runs again
        self._before = _Moment(0, 0, 0, 0, 0)  # the node that runs

    def first_run(
        self, tape: Recorder, inputs: Sequence[Tensor], buffers: Sequence[Tensor],
        run: Callable[[Sequence[Tensor]], Sequence[Tensor]],
    ) -> Sequence[Tensor]:
        """The outputs of `run`, whose nodes form a region."""
        self.region = Region([_detached(x) for x in inputs], _random_state(tape), buffers, run)
        try:
            return run(inputs)
        finally:
            self.region = None

    def adopt(self, node: Node, *, saves: bool) -> None:
        """Make a new node part of the region."""
        assert self.region is not None
        self.region.nodes.append(node)
        if saves:
            node.region = self.region
            self.region.saves += 1

    def replay(self, tape: Recorder, region: Region, run: Callable[[Sequence[Tensor]], object]) -> None:
        """Run the layers of a region again, in the backward pass, so that its nodes have what they save."""
        self.replayed, self._missing, layer = region.nodes, region.saves, tape.layer
        region.nodes = []  # each of them holds the region, which would never be freed
        random = _random_state(tape)
        self._copies = {x.storage: tape.like(x) for x in region.buffers}
        self.note(tape)
        try:
            with tape.autocast(), suppress(_AllRestored):
                run(region.inputs)
        finally:
            self.replayed, self._copies, tape.layer = None, {}, layer
        del random

    def restore(self, tape: Recorder, outputs: Sequence[Tensor], saved: Sequence[Tensor]) -> None:
        """Give the next node of the region what it saves, which of buffers are their copies.

        Raises _AllRestored when no later node saves anything.
        """
        assert self.replayed is not None
        node = self.replayed.pop(0)
        node.saved = tuple([self._copies.get(x.storage, x).alias() for x in saved])
        for port, y in enumerate(outputs):
            y.node, y.port = node, port
        self._missing -= bool(saved)
        if not self._missing:
            if not any(x.storage.number > self._before.allocations or x.storage is y.storage
                       for x in saved for y in outputs):
                self._before.return_to(tape)  # torch saves inputs before it computes, and ends there
            raise _AllRestored
        self.note(tape)

    def note(self, tape: Recorder) -> None:
        """Note that a node is complete, or a kernel without one."""
        if self.replayed is not None:
            self._before = _Moment(
                len(tape.kernels), tape.memory.count, tape.memory.peak, tape.memory.peak_at, tape.reach)


class _Moment(NamedTuple):
    """Between two nodes: the kernels that ran, the allocations, the peak of tensors, and with what libraries take."""

    kernels: int
    allocations: int
    peak: int
    peak_at: int
    reach: int

    def return_to(self, tape: Recorder) -> None:
        """Take back what ran since. Its tensors are freed with the rule that holds them."""
        del tape.kernels[self.kernels :], tape.timeline[self.kernels :]
        tape.memory.peak, tape.memory.peak_at, tape.reach = self.peak, self.peak_at, self.reach


class _AllRestored(Exception):
    """Ends a second run of a region, as torch's checkpoint does (`early_stop`)."""


def _detached(x: Tensor) -> Tensor:
    kept = x.alias()
    kept.node, kept.port = x.node, x.port
    return kept


def _random_state(tape: Recorder) -> Tensor | None:
    """That of a CPU. A GPU's is in the memory of its host, and a memory tracker sees none."""
    return None if tape.cuda or tape.meta else tape.new((RANDOM_BYTES,), "uint8")
