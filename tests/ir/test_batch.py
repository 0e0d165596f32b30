"""A batch without a size: every shape rule works with it, and a size put in afterwards gives what the rule gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

import archspec
from archspec.ir import interpret
from archspec.language.shipped import shipped_specs
from archspec.ops import OPS, cost_of, infer_outputs, make_op
from archspec.types import BATCH, ShapeError, TensorType
from tests.ops.draw import types_of
from tests.ops.strategies import STRATEGIES


def outcome(op: Any, inputs: tuple[TensorType, ...], batch_size: int) -> Any:
    """The outputs and cost in a batch of that size, or what is said against the inputs."""
    try:
        outputs = infer_outputs(op, inputs)
    except ShapeError as refusal:
        partial = None if refusal.partial is None else str(refusal.partial.at(batch_size))
        return refusal.message, str(refusal.hint), partial
    sized = [tuple(x.at(batch_size) for x in types) for types in (inputs, outputs)]
    return sized[1], cost_of(op, *sized), op.parameters(*inputs)


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_rule_takes_a_batch_of_any_size(name: str) -> None:
    @settings(deadline=None, max_examples=30, database=None)
    @given(STRATEGIES[name])
    def body(case: Any) -> None:
        fields, shapes = case
        try:
            op = make_op(name, fields)
        except ValidationError:
            return
        if len({shape[0] for shape in shapes}) > 1:
            return  # of several batches, one is wrong
        size = shapes[0][0]
        sized, symbolic = (types_of(name, [(n, *shape[1:]) for shape in shapes]) for n in (size, BATCH))
        assert outcome(op, symbolic, size) == outcome(op, sized, size)

    body()


@pytest.mark.parametrize("name", shipped_specs())
def test_a_network_in_a_batch_is_the_network_of_a_batch(name: str) -> None:
    graph = archspec.load(name).graph

    def on_op(site: Any, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        outputs = infer_outputs(site.node.op, inputs)
        assert outputs == tuple(x.at(3) for x in site.node.outputs), site.path
        return outputs

    found = interpret(graph, [port.type.at(3) for port in graph.inputs], on_op)
    assert found == tuple(port.type.at(3) for port in graph.outputs)


def test_a_rule_that_depends_on_the_batch_size_is_found_out() -> None:
    class Wrong(OPS["relu"]):  # type: ignore[misc]
        def infer(self, x: TensorType) -> tuple[TensorType, ...]:
            return (TensorType((x.shape[0] + 1, *x.shape[1:])),)

    assert infer_outputs(Wrong(), (TensorType((2, 3)),))[0].shape == (3, 3)
    with pytest.raises(TypeError):
        infer_outputs(Wrong(), (TensorType((BATCH, 3)),))
