"""Random changes of the shipped specs: the difference names each of them, and nothing else."""

from __future__ import annotations

import random

import pytest

import archspec
from archspec.difference.structure import edits
from archspec.ir import Graph
from archspec.ir.align import align
from archspec.ir.diff import changes
from archspec.ir.digest import graph_digest
from archspec.language.shipped import shipped_specs
from tests.difference.mutate import inserted, renamed

SPECS = [*shipped_specs()]


def mutated(graph: Graph, rng: random.Random) -> tuple[Graph, dict[str, str], list[str]]:
    """A network with one to four changes; renamed stages, old → new; and the names of inserted ops."""
    names, fresh = {node.name: node.name for node in graph.nodes}, []
    for k in range(rng.randint(1, 4)):
        if rng.random() < 0.5:
            old = rng.choice([*names])
            graph = renamed(graph, names[old], f"renamed{k}")
            names[old] = f"renamed{k}"
        elif (longer := inserted(graph, rng, f"fresh{k}")) is not None:
            graph = longer
            fresh.append(f"fresh{k}")
    return graph, {old: new for old, new in names.items() if old != new}, fresh


@pytest.mark.parametrize("name", SPECS[1::2])
def test_each_change_is_found_and_nothing_else(name: str) -> None:
    graph, rng = archspec.load(name).graph, random.Random(name)
    for _ in range(3):
        other, names, fresh = mutated(graph, rng)
        aligned = align(graph, other)
        found = changes(graph, other, aligned)
        assert sorted(c.path for c in found if c.kind == "added") == sorted(fresh)
        assert {c.kind for c in found} <= {"added", "renamed"}
        moved = {(c.then.partition(".")[0], c.path.partition(".")[0]) for c in found if c.kind == "renamed"}
        assert moved == set(names.items())
        kinds = [edit.kind for edit in edits(found, aligned)]
        assert kinds.count("added") <= len(fresh) and kinds.count("renamed") <= len(names)
        assert sum(edit.count for edit in edits(found, aligned)) == len(fresh) + len(names)
        assert bool(found) == (graph_digest(graph) != graph_digest(other))


@pytest.mark.parametrize("name", SPECS[::4])
def test_and_back(name: str) -> None:
    graph, rng = archspec.load(name).graph, random.Random(name)
    other, names, fresh = mutated(graph, rng)
    found = changes(other, graph, align(other, graph))
    assert sorted(c.path for c in found if c.kind == "removed") == sorted(fresh)
    assert {(c.path.partition(".")[0], c.then.partition(".")[0]) for c in found if c.kind == "renamed"} == set(names.items())
