"""Every op, with the fields and inputs of its strategy, counted by each installed tool."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from archspec.analysis.conventions import CONVENTIONS, counted
from archspec.ir import Graph, Node, Port, Value
from archspec.ir.graph import INPUT
from archspec.ops import OPS, infer_outputs, make_op
from archspec.types import BATCH, ShapeError
from tests.ops.draw import types_of
from tests.ops.strategies import STRATEGIES

from .tools import printed

pytestmark = [pytest.mark.filterwarnings("ignore:Using padding='same'"), pytest.mark.filterwarnings("ignore:.*jit")]


def network(name: str, fields: dict[str, Any], shapes: tuple[tuple[int, ...], ...]) -> Graph | None:
    """A network of one op; None for fields or inputs that the op does not accept."""
    types = tuple([x.reshaped(BATCH, *x.shape[1:]) for x in types_of(name, shapes)])
    try:
        op = make_op(name, fields)
        outputs = infer_outputs(op, types)
    except (ValueError, ShapeError):
        return None
    inputs = tuple([Port(f"x{k}", x) for k, x in enumerate(types)])
    node = Node("layer", op, tuple([Value(INPUT, k) for k in range(len(types))]), outputs)
    return Graph("network", "one", inputs, (node,), (Port("layer", outputs[0]),), (Value(0),))


def check(name: str, graph: Graph, batch_size: int) -> None:
    for tool, conventions in CONVENTIONS.items():
        try:
            numbers = printed(tool, graph, batch_size)
        except ValueError:
            continue  # one value per channel has no variance
        for convention in conventions:
            figure = counted(graph, convention, batch_size)
            number = numbers.get(convention.unit, numbers.get(""))
            if number is None:
                continue
            assert figure.total == number, (tool, convention.unit)


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_is_counted_as_the_tools_count_it(name: str) -> None:
    @settings(max_examples=3, deadline=None)
    @given(STRATEGIES[name])
    def examples(case: Any) -> None:
        graph = network(name, *case)
        if graph is not None:
            check(name, graph, case[1][0][0])

    examples()
