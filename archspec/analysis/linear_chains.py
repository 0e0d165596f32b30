"""Finds redundant layers: linear layers without a nonlinearity between them."""

from __future__ import annotations

from archspec.ir import Graph, NodePath, Value
from archspec.ir.edit import inline, uses
from archspec.ops import Operation
from archspec.ops.traits import Affine, Projects

_Run = tuple[tuple[NodePath, int, int], ...]  # paths of linear layers, with the features in and out


def linear_chains(graph: Graph) -> list[tuple[NodePath, ...]]:
    """Paths of two or more `linear` layers in a row that together form one linear map, in the order of the network.

    A layer that is narrower than both its neighbours is not reported: it makes the map cheaper and lowers its rank.
    """
    flat = inline(graph)
    takers = uses(flat)
    found: list[tuple[NodePath, ...]] = []
    ending: dict[Value, _Run] = {}  # the layers before a value that form one linear map and have no other user
    for k, node in enumerate(flat.nodes):
        before = [ending.pop(value, ()) for value in dict.fromkeys(node.inputs)]
        run = before[0] if len(before) == 1 else ()
        op = node.op
        if op is not None and _maps_features(op):
            run = (*run, (node.name, flat.arguments(node)[0].shape[-1], node.outputs[0].shape[-1]))
        elif op is None or op.trait(Affine) is None:
            for ended in before:
                _close(ended, found)
            run = ()
        (use, *others) = takers[Value(k)]
        if use.node is None or others:
            _close(run, found)
        else:
            ending[Value(k)] = run
    return found


def _maps_features(op: Operation) -> bool:
    """Whether the op is a learned linear map of the last dimension."""
    projects = op.trait(Projects)
    return projects is not None and projects.dim == -1


def _close(run: _Run, found: list[tuple[NodePath, ...]]) -> None:
    wide = [k for k in range(len(run) - 1) if run[k][2] >= min(run[k][1], run[k + 1][2])]
    if wide:
        found.append(tuple(path for path, _, _ in run[wide[0] : wide[-1] + 2]))
