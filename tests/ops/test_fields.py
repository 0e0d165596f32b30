"""Hints at numbers that have to divide a size."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.ops import OPS, infer_outputs
from archspec.ops.fields import set_to_divisor
from archspec.types import ShapeError, TensorType


@given(st.integers(1, 200), st.lists(st.integers(1, 200), min_size=1, max_size=3), st.integers(1, 200))
def test_the_nearest_divisor(value: int, sizes: list[int], most: int) -> None:
    """Of all numbers up to `most` that divide every size; of two as near, the smaller one."""
    divisors = [d for d in range(1, most + 1) if not any(size % d for size in sizes)]
    nearest = min(divisors, key=lambda d: (abs(d - value), d))
    assert set_to_divisor("groups", value, *sizes, most=most) == f"set groups to {nearest}"


def test_far_divisors_of_huge_sizes() -> None:
    began = time.perf_counter()
    assert set_to_divisor("groups", 2**50, 2**61 - 1, 2**61 - 1) == "set groups to 1"  # a prime
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(("name", "fields", "shape", "field"), [
    ("multi_head_attention", {"num_heads": 5}, (1, 9, 128), "num_heads"),
    ("conv2d", {"out_channels": 96, "kernel_size": 1, "groups": 48}, (1, 64, 4, 4), "groups"),
    ("conv_transpose1d", {"out_channels": 10, "kernel_size": 1, "groups": 5}, (1, 12, 4), "groups"),
    ("group_norm", {"num_groups": 32}, (1, 48, 4, 4), "num_groups"),
    ("group_norm", {"num_groups": 5}, (2, 4), "num_groups"),
    ("group_norm", {"num_groups": 8}, (2, 4, 1, 1), "num_groups"),
    ("channel_shuffle", {"groups": 5}, (1, 12, 4, 4), "groups"),
    ("pixel_unshuffle", {"downscale_factor": 3}, (1, 4, 32, 48), "downscale_factor"),
])
def test_the_op_takes_it(name: str, fields: dict[str, object], shape: tuple[int, ...], field: str) -> None:
    """And a smaller step from the value that was written is not enough."""
    def takes(value: object) -> bool:
        try:
            return bool(infer_outputs(OPS[name].model_validate({**fields, field: value}), (TensorType(shape),)))
        except (ShapeError, ValueError):
            return False

    with pytest.raises(ShapeError) as caught:
        infer_outputs(OPS[name].model_validate(fields), (TensorType(shape),))
    proposed = json.loads(str(caught.value.hint).rpartition(" ")[2])
    written = fields[field]
    assert isinstance(written, int)
    away = abs(proposed - written)
    assert takes(proposed)
    assert not any(takes(written + step) for step in range(1 - away, away))
