"""Finds the autograd nodes that compute the backward pass of one module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.autograd.graph import Node


def tensors_in(values: Any) -> Iterator[Tensor]:
    """The tensors of a module's inputs or outputs: of a tensor, a list, a tuple or a mapping."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        yield from tensors_in(tuple(values.values()))
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from tensors_in(value)


def nodes_of(values: Any) -> set[Node]:
    """The autograd nodes that computed these tensors."""
    return {tensor.grad_fn for tensor in tensors_in(values) if tensor.grad_fn is not None}


def backward_nodes(before: Iterable[Node], output: Any) -> list[Node]:
    """The autograd nodes between the inputs and the output of a module, without the accumulators of parameters.

    before: `nodes_of` the inputs, taken before the module ran: a module that works in place changes them. Accumulators
    outlive the graph, and so would a hook on them.
    """
    found: list[Node] = []
    seen = set(before)
    waiting = list(nodes_of(output))
    while waiting:
        node = waiting.pop()
        if node in seen or node.name().endswith("AccumulateGrad"):
            continue
        seen.add(node)
        found.append(node)
        waiting += [following for following, _ in node.next_functions if following is not None]
    return found
