"""Every field of an op reaches its module: no shape and no count would show that `count_include_pad` is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from archspec.ops import OPS, Operation
from archspec.types import TensorType
from tests.ops.draw import Case
from tests.ops.test_registry import EACH_OP, check, ours

OTHERWISE: dict[tuple[str, str], Callable[[Any], Any]] = {  # where the module has no attribute of the field's name
    ("multi_head_attention", "bias"): lambda module: module.in_proj_bias is not None,
    ("window_attention", "bias"): lambda module: module.qkv.bias is not None,
    ("parameter", "shape"): lambda module: module.value.shape,
    ("parameter", "init"): lambda module: (module.rule, module.std) if module.std else module.rule,
}
NOT_IN_THE_MODULE = {("multi_head_attention", "memory"), ("layer_scale", "dim")}  # an input; part of a shape


def plain(value: Any) -> Any:
    """Lists as tuples, and equal sizes along all axes as one number."""
    if isinstance(value, (list, tuple)):
        value = tuple(value)
        return value[0] if value and len(set(value)) == 1 else value
    return value


def written(op: Operation, field: str, inputs: tuple[TensorType, ...]) -> Any:
    value = getattr(op, field)
    if (op.op, field) == ("layer_norm", "bias"):
        return op.bias and op.elementwise_affine  # without factors there is no offset either
    whole = (op.op, field) == ("layer_norm", "normalized_shape") and value is None
    return inputs[0].shape[-1] if whole else value


def built(module: nn.Module, name: str, field: str, value: Any) -> Any:
    if (name, field) in OTHERWISE:
        return OTHERWISE[name, field](module)
    there = getattr(module, field)
    return there is not None if isinstance(value, bool) and not isinstance(there, bool) else there  # a bias is a tensor


def compare(name: str, case: Case) -> None:
    found = ours(name, case)
    if found is None:
        return
    op, inputs, _ = found
    module = op.build(*inputs)
    fields = [field for field in type(op).model_fields if (name, field) not in NOT_IN_THE_MODULE]
    values = {field: written(op, field, inputs) for field in fields}
    assert {k: plain(built(module, name, k, v)) for k, v in values.items()} == {k: plain(v) for k, v in values.items()}


@EACH_OP
def test_every_field_reaches_the_module(name: str) -> None:
    flags = [key for key, field in OPS[name].model_fields.items() if field.annotation is bool]

    def body(case: Case) -> None:
        fields, shapes = case
        for flag in (None, *flags):  # each switch is tried both ways
            drawn = {} if flag is None else {flag: not fields.get(flag, OPS[name].model_fields[flag].default)}
            compare(name, ({**fields, **drawn}, shapes))

    check(name, body)
