"""What a field that cannot be read leaves known of an op's output."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from archspec.lower.operations import NEUTRAL, PLACES, WIDTHS
from archspec.ops import OPS, Op, infer_outputs, make_op
from archspec.types import ShapeError, TensorType
from tests.ops.strategies import STRATEGIES, Case

# Fields without which nothing is known of the output.
DECIDING = {
    "chunks", "dim", "dims", "downscale_factor", "end_dim", "index", "normalized_shape", "shape", "start_dim",
    "upscale_factor",
}


def test_every_field_of_every_op_is_sorted() -> None:
    fields = {name for op in OPS.values() if issubclass(op, Op) for name in op.model_fields}
    sorted_out = [*WIDTHS, *PLACES, *NEUTRAL, *DECIDING]
    assert fields == set(sorted_out)
    assert len(sorted_out) == len(set(sorted_out))


@pytest.mark.parametrize("name", sorted(name for name, op in OPS.items() if set(op.model_fields) & {*WIDTHS, *PLACES, *NEUTRAL}))
def test_a_neutral_field_changes_no_shape_and_the_others_only_theirs(name: str) -> None:
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
            if field in NEUTRAL:
                assert before == after, field
            elif field in PLACES:
                assert before[:2] == after[:2], field
            elif field in WIDTHS:
                kept = slice(2, None) if name.startswith("conv") else slice(0, -1)
                assert before[kept] == after[kept], field

    body()
