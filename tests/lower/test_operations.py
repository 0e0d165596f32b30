"""What a field that cannot be read leaves known of an op's output."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from archspec.ops import OPS, Op, infer_outputs, make_op
from archspec.ops.traits import Affects, Projects
from archspec.types import ShapeError, TensorType
from tests.ops.draw import Case
from tests.ops.strategies import STRATEGIES

# Ops that rearrange, or give another rank: without one of their fields nothing is known of the output.
DECIDING = {
    "chunk", "embedding", "flatten", "max", "mean", "pad", "parameter", "permute", "pixel_shuffle", "pixel_unshuffle",
    "reshape", "select", "slice",
}
FIELDS = [(op.op, field) for op in OPS.values() if issubclass(op, Op) for field in op.model_fields]


def test_every_field_of_every_op_says_what_it_affects() -> None:
    assert {op for op, field in FIELDS if OPS[op].affects(field) is None} == DECIDING


@pytest.mark.parametrize("name", sorted({op for op, field in FIELDS} - DECIDING))
def test_a_field_changes_of_the_shape_what_it_says(name: str) -> None:
    @settings(deadline=None, max_examples=20, database=None)
    @given(STRATEGIES[name], STRATEGIES[name])
    def body(case: Case, other: Case) -> None:
        fields, shapes = case
        for field in set(fields) & set(other[0]):
            changed = {**fields, field: other[0][field]}
            try:
                before, after = (infer_outputs(make_op(name, f), tuple(map(TensorType, shapes)))[0].shape for f in (fields, changed))
            except (ValidationError, ShapeError):
                continue
            if OPS[name].affects(field) is Affects.NOTHING:
                assert before == after, field
            elif OPS[name].affects(field) is Affects.SPACE:
                assert before[:2] == after[:2], field
            else:
                projects = OPS[name].trait(Projects)
                channels = (projects.dim if projects else 1) % len(before)
                assert [d for k, d in enumerate(before) if k != channels] == [d for k, d in enumerate(after) if k != channels]

    body()
