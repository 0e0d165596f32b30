"""Reverse-mode differentiation as torch's engine does it: which gradient exists when, and what is kept until then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final

from archspec.execution.tensor import Shape, Tensor, written

if TYPE_CHECKING:
    from archspec.execution.recomputation import Region
    from archspec.execution.recorder import Recorder

FIRST: Final = 2**62  # the number of a parameter's node: torch accumulates gradients before all else
Gradients = Sequence["Tensor | None"]
Edge = tuple["Node", int, Shape, str]  # the node and the port that made an input, its shape and dtype
# (tape, node, gradients of the outputs) -> gradients of the inputs. It must not hold tensors: they are in node.saved.
Backward = Callable[["Recorder", "Node", Gradients], Gradients]


class Node:
    """One differentiable operation.

    number: its place in time. edges: for each input, or None where no gradient is needed. saved: what it keeps for
    backward, released when it has run.
    """

    __slots__ = ("backward", "edges", "layer", "name", "number", "region", "saved")

    def __init__(
        self, number: int, name: str, layer: str, edges: tuple[Edge | None, ...],
        saved: tuple[Tensor, ...], backward: Backward,
    ) -> None:
        self.number, self.name, self.layer, self.edges, self.saved = number, name, layer, edges, saved
        self.backward = backward
        self.region: Region | None = None  # where its saved tensors are computed again in backward

    def needs(self, k: int) -> bool:
        """Whether input k needs a gradient."""
        return self.edges[k] is not None


def leaf(name: str) -> Node:
    """The node of a parameter, where its gradient is accumulated."""
    return Node(FIRST, name, "", (), (), _accumulate)


def _accumulate(tape: Recorder, node: Node, gradients: Gradients) -> Gradients:
    (gradient,) = gradients
    assert gradient is not None
    tape.accumulate(node.name, gradient)
    return ()


def backward(tape: Recorder, loss: Tensor, gradient: Tensor) -> None:
    """Compute the gradients of all parameters. gradient: that of the loss.

    Nodes run in the reverse order of time, as soon as all gradients of their outputs are there (torch's engine).
    """
    root = loss.node
    assert root is not None
    waiting = _dependencies(root)
    buffers: dict[Node, list[Tensor | None]] = {root: [gradient]}
    ready, order = [(-root.number, 0, root)], count(1)  # of equal numbers, those that are ready first
    del gradient, root
    while ready:
        node = heappop(ready)[2]
        given = buffers.pop(node)
        if node.region is not None:
            node.region.restore(tape)
        tape.layer = node.layer
        computed = node.backward(tape, node, given)
        results = [None if edge is None else x for edge, x in zip(node.edges, computed, strict=True)]
        del computed  # torch's node drops what nothing needs when it has run
        if node.region is not None:
            node.saved = ()  # what was computed again is freed at once
        _fit(tape, node, results)
        del given
        node.saved, node.region = (), None
        for k, edge in enumerate(node.edges):
            if edge is None:
                continue
            into, port = edge[:2]
            result, results[k] = results[k], None  # so that only the buffer holds it
            buffer = buffers.get(into)
            if buffer is None:
                buffers[into] = [*[None] * port, result]
            else:
                buffer += [None] * (port + 1 - len(buffer))
                buffer[port] = _sum(tape, buffer[port], result)
            del result, buffer  # a gradient lives no longer than its node runs
            waiting[into] -= 1
            if not waiting[into]:
                heappush(ready, (-into.number, next(order), into))


def _fit(tape: Recorder, node: Node, results: list[Tensor | None]) -> None:
    """Sum the gradients of inputs that were broadcast, and cast those of inputs with another dtype, when all are there.

    Each is freed when the next one takes its place in `results` (torch's validate_outputs).
    """
    for k, edge in enumerate(node.edges):
        x = results[k]
        if edge is None or x is None:
            continue
        _, _, shape, dtype = edge
        if x.shape != shape:
            results[k] = x = tape.sum_to(x, shape)
        if x.dtype != dtype:
            results[k] = y = tape.like(x, dtype)
            tape.launch("copy", (x,), (y,))
            del y
        del x


def _sum(tape: Recorder, held: Tensor | None, new: Tensor | None) -> Tensor | None:
    """The sum of two gradients of a value, in place where nothing else holds the first (torch's InputBuffer).

    A dispatch mode, such as a memory tracker, sees no sum in place.
    """
    if held is None or new is None:
        return held or new
    alone = held.storage.refs == 1 and not held.is_view
    total = held if alone and held.is_dense and not tape.meta else tape.new(
        held.shape, held.dtype, written(held.shape, (held.strides, new.strides)))
    tape.launch("add_", (held, new), (total,), flops=total.numel)
    return total


def _dependencies(root: Node) -> dict[Node, int]:
    """For each node, how many gradients it waits for."""
    waiting: dict[Node, int] = {}
    stack = [root]
    while stack:
        for edge in stack.pop().edges:
            if edge is None:
                continue
            into = edge[0]
            if into in waiting:
                waiting[into] += 1
            else:
                waiting[into] = 1
                stack.append(into)
    return waiting
