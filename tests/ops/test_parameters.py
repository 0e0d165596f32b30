"""What an op says of its tensors, against those of its torch module."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings

from archspec.ops import OPS
from archspec.ops.parameters import (
    Bias,
    Computed,
    Glorot,
    Kernel,
    Normal,
    ParamSpec,
    TruncatedNormal,
    buffer,
    learned,
    projection,
)
from tests.ops.draw import Case
from tests.ops.strategies import STRATEGIES
from tests.ops.test_registry import ours


@pytest.mark.parametrize("name", sorted(OPS))
def test_names_shapes_types_and_starts_are_the_module_s(name: str) -> None:
    def body(case: Case) -> None:
        found = ours(name, case)
        if found is None:
            return
        op, types, _ = found
        module, specs = op.build(*types), op.parameters(*types)
        learnt = dict(module.named_parameters())
        assert list(specs) == list(module.state_dict())
        for key, tensor in module.state_dict().items():
            spec = specs[key]
            assert (spec.shape, f"torch.{spec.dtype}", spec.learned) == (tuple(tensor.shape), str(tensor.dtype), key in learnt)
            if name != "parameter":
                assert spec.decays == isinstance(spec.init, (Kernel, Glorot, Normal)), "of torch's layers just the kernels decay"
            assert_starts_as(spec, tensor)

    settings(deadline=None, max_examples=15, database=None, derandomize=True)(given(STRATEGIES[name])(body))()


def assert_starts_as(spec: ParamSpec, tensor: torch.Tensor) -> None:
    if isinstance(spec.init, (Kernel, Bias)):
        assert float(tensor.abs().max()) <= 1.00001 / math.sqrt(spec.init.fan_in)
        assert isinstance(spec.init, Bias) or spec.init.fan_in == math.prod(spec.shape[1:])
    elif isinstance(spec.init, Glorot):
        assert float(tensor.abs().max()) <= 1.00001 * math.sqrt(6 / (spec.init.fan_in + spec.init.fan_out))
    elif isinstance(spec.init, (Normal, TruncatedNormal)):
        limit = 2 if isinstance(spec.init, TruncatedNormal) else 7 * spec.init.std
        assert bool(tensor.any()) and float(tensor.abs().max()) <= limit
    elif not isinstance(spec.init, Computed):
        assert torch.equal(tensor, torch.full_like(tensor, spec.init))


def test_the_ways_to_make_one() -> None:
    assert projection((4, 3, 5, 5), 4, bias=True) == {
        "weight": ParamSpec((4, 3, 5, 5), Kernel(75), learned=True, decays=True),
        "bias": ParamSpec((4,), Bias(75), learned=True, decays=False),
    }
    assert list(projection((4, 3), 4, bias=False)) == ["weight"]
    assert learned(2, 3, init=Normal(0.02), decays=True) == ParamSpec((2, 3), Normal(0.02), True, True)
    assert buffer(dtype="int64") == ParamSpec((), 0.0, False, False, "int64")
    assert (ParamSpec((2, 3), 0.0).numel, buffer().numel) == (6, 1)
