"""Layers that a network could do without: linear layers between which nothing bends."""

from __future__ import annotations

from archspec.ir import Graph, NodePath
from archspec.ops import Operation
from archspec.ops.traits import Affine, Projects


def linear_chains(graph: Graph) -> list[tuple[NodePath, ...]]:
    """Paths of two or more `linear` layers in a row that together are one linear map, in the order of the network.

    A layer that is narrower than both its neighbours is meant: it makes the map cheaper, and of lower rank.
    """
    found: list[tuple[NodePath, ...]] = []
    _search(graph, "", [], found)
    return found


def _search(
    graph: Graph, prefix: str, before: list[tuple[NodePath, int, int]], found: list[tuple[NodePath, ...]]
) -> list[tuple[NodePath, int, int]]:
    """Follow a chain of nodes; what is open at its end goes on in the enclosing chain."""
    if not graph.is_chain:
        for node in graph.nodes:
            if isinstance(node.target, Graph):
                _close(_search(node.target, _join(prefix, node.name), [], found), found)
        _close(before, found)
        return []
    run = before
    for node in graph.nodes:
        path = _join(prefix, node.name)
        if isinstance(node.target, Graph):
            run = _search(node.target, path, run, found)
        elif _maps_features(node.target):
            run = [*run, (path, graph.arguments(node)[0].shape[-1], node.outputs[0].shape[-1])]
        elif node.target.trait(Affine) is None:
            _close(run, found)
            run = []
    if not prefix:
        _close(run, found)
    return run


def _maps_features(op: Operation) -> bool:
    """Whether it is a learned linear map of the last dimension."""
    projects = op.trait(Projects)
    return projects is not None and projects.dim == -1


def _close(run: list[tuple[NodePath, int, int]], found: list[tuple[NodePath, ...]]) -> None:
    wide = [k for k in range(len(run) - 1) if run[k][2] >= min(run[k][1], run[k + 1][2])]
    if wide:
        found.append(tuple(path for path, _, _ in run[wide[0] : wide[-1] + 2]))


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
