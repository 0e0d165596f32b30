"""What each op says it depends on, against where a value that is not a number goes in its module."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from archspec.ops import OPS, infer_outputs, make_op
from archspec.ops.base import Merge, Operation
from archspec.ops.reach import Positions, Reach, transposed
from archspec.ops.traits import Reshapes
from archspec.types import BATCH, FLOATS, ShapeError, TensorType
from tests.ops.draw import random_of, types_of
from tests.ops.strategies import STRATEGIES

LEAKS = {"window_attention"}  # a mask is added to its scores, which does not stop NaN; test_receptive_field has it


def reads(positions: Positions, j: int) -> range:
    q, r = divmod(j, positions.period)
    first, last = positions.ranges[r]
    return range(positions.step * q + first, positions.step * q + last + 1, positions.spacing)


def may_depend(reach: Reach, index: list[int], dim: int, place: int) -> bool:
    """Whether the output at this index may read the input where its dim has this place."""
    following = [(d, positions) for d, source in enumerate(reach.dims) if source is not None and source[0] == dim
                 for positions in [source[1]]]
    if not following:
        first, last = reach.read.get(dim, (0, place))
        return first <= place <= last
    return all(place in reads(positions, index[d]) for d, positions in following)


def leaks(op: Operation) -> bool:
    """Whether NaN goes where values do not: times a weight of 0, or from the other end of what is padded with itself."""
    return getattr(op, "mode", "") in ("bilinear", "bicubic") or getattr(op, "padding_mode", "zeros") != "zeros"


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", sorted(set(OPS) - LEAKS))
def test_an_op_depends_on_nothing_that_it_does_not_name(name: str) -> None:
    @settings(max_examples=3, deadline=None)
    @given(STRATEGIES[name])
    def check(case: Any) -> None:
        drawn, shapes = case
        inputs = types_of(name, shapes)
        try:
            op = make_op(name, drawn)
            outputs = infer_outputs(op, inputs)
        except (ValueError, ShapeError):
            return
        reach = op.reach(*inputs, *outputs)
        if reach is None or leaks(op) or len({x.shape[0] for x in inputs}) > 1:
            return
        module = op.build(*inputs).eval()
        for k, x in enumerate(inputs):
            if x.dtype in FLOATS:
                for dim in range(1, x.ndim):
                    compare(op, module, inputs, reach[k] if k < len(reach) else None, k, dim)

    check()


def compare(op: Operation, module: Any, inputs: Any, reach: Reach | None, k: int, dim: int) -> None:
    tensors = [random_of(x) for x in inputs]
    for place in {0, inputs[k].shape[dim] // 2, inputs[k].shape[dim] - 1}:
        changed = [t.clone() for t in tensors]
        changed[k].select(dim, place).fill_(float("nan"))
        with torch.no_grad():
            y = module(changed) if isinstance(op, Merge) else module(*changed)
        found = y.isnan()
        touched = found.nonzero().tolist()
        for index in touched[:: max(len(touched) // 30, 1)]:
            assert reach is not None and may_depend(reach, index, dim, place), (op, dim, place, index)


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
def test_a_transposed_convolution_reads_from_the_first_to_the_last_that_torchs_does(
    kernel: int, stride: int, dilation: int, padding: int
) -> None:
    """With weights of 1 an output is above 0 where it reads the only 1 of its sample."""
    size = 9
    x = torch.eye(size).unsqueeze(1)
    y = torch.nn.functional.conv_transpose1d(x, torch.ones(1, 1, kernel), stride=stride, padding=padding, dilation=dilation)
    positions = transposed(kernel, stride, dilation, padding)
    for j in range(y.shape[-1]):
        read, mine = y[:, 0, j].nonzero().flatten().tolist(), reads(positions, j)
        if not mine or (mine[0] >= 0 and mine[-1] < size):
            assert [*mine[:1], *mine[-1:]] == read[:1] + read[-1:], j


@pytest.mark.parametrize("factor", [0.3, 0.7, 1.1, 1.25, 1.3, 1.7, 2, 2.2, 2.25, 2.5, 3.3, 3.7])
def test_the_nearest_pixel_is_the_one_that_torch_takes(factor: float) -> None:
    """Sizes that stay or double are copied; elsewhere single precision may fall short of a whole number."""
    for size in (2, 3, 4, 7, 10, 31, 40):
        x = TensorType((BATCH, 1, size, 5))
        try:
            op = make_op("upsample", {"scale_factor": [factor, 2.5]})
            (y,) = infer_outputs(op, (x,))
        except ShapeError:
            continue
        (reach,) = op.reach(x, y) or ()
        _, positions = reach.dims[2] or (0, None)
        assert isinstance(positions, Positions)
        rows = torch.arange(float(size)).reshape(1, 1, size, 1).expand(1, 1, size, 5)
        taken = op.build(x)(rows)[0, 0, :, 0].int().tolist()
        for j, row in enumerate(taken):
            assert row in reads(positions, j)
            if j % positions.period:
                assert len(reads(positions, j)) == 1


@pytest.mark.parametrize("name", sorted(name for name, op in OPS.items() if op.trait(Reshapes) is None))
def test_an_op_says_what_it_depends_on(name: str) -> None:
    """All but the views, which a trait names."""
    op, inputs = accepted(name)
    assert op.reach(*inputs, *infer_outputs(op, inputs)) is not None


def accepted(name: str) -> tuple[Operation, tuple[TensorType, ...]]:
    """The op with fields and inputs that it accepts."""
    found = []

    def accepts(case: Any) -> bool:
        try:
            op, inputs = make_op(name, case[0]), types_of(name, case[1])
            infer_outputs(op, inputs)
        except (ValueError, ShapeError):
            return False
        found.append((op, inputs))
        return True

    @settings(max_examples=1, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(STRATEGIES[name].filter(accepts))
    def check(_: Any) -> None: ...

    check()
    return found[0]
