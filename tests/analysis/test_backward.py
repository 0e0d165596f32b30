"""The MACs of gradients, against what torch's backward pass runs on meta tensors."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.analysis import cost_report
from archspec.backends.torch import build, example_inputs
from archspec.ir import Graph, sites
from archspec.ops import OPS, cost_of, infer_outputs, make_op
from archspec.ops.base import Wanted
from archspec.types import FLOATS, ShapeError
from tests.ops.draw import types_of
from tests.ops.strategies import STRATEGIES

ROOT = Path(__file__).parents[2] / "specs"
SPECS = [path.relative_to(ROOT).with_suffix("").as_posix() for path in sorted(ROOT.rglob("*.yaml"))]
LARGE = {  # some seconds each
    "resnet152", "zoo/densenet121", "zoo/deeplabv3_resnet50", "zoo/efficientnet_b0", "zoo/fcn_resnet50", "zoo/inception_v3",
    "zoo/regnet_y_400mf", "zoo/resnext50_32x4d", "zoo/swin_t", "zoo/vit_b_16", "zoo/wide_resnet50_2", "zoo/convnext_tiny",
    "resnet50", "zoo/resnet50", "zoo/mobilenet_v2", "zoo/mnasnet1_0", "zoo/shufflenet_v2_x1_0", "zoo/mobilenet_v3_small",
}
aten = torch.ops.aten


class Products(TorchDispatchMode):
    """Counts the multiply-adds of every product that runs. A grouped convolution's gradients cost what its forward does.

    FlopCounterMode (torch 2.14) ignores the groups in the gradient of the weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        if packet is aten.convolution:
            self.macs += self._convolution(args[0], args[1], out, transposed=args[6])
        elif packet is aten.convolution_backward:
            one = self._convolution(args[1], args[2], args[0], transposed=args[7])
            self.macs += one * sum(args[10][:2])  # output_mask: of the input, of the weight, of the bias
        elif packet in (aten.mm, aten.bmm):
            self.macs += args[0].numel() * args[1].shape[-1]
        elif packet is aten.addmm:
            self.macs += args[1].numel() * args[2].shape[-1]
        return out

    @staticmethod
    def _convolution(x: Tensor, weight: Tensor, y: Tensor, *, transposed: bool) -> int:
        return prod(weight.shape[1:]) * (x if transposed else y).numel()


def loss_of(outputs: Any) -> Tensor:
    each = outputs.values() if isinstance(outputs, dict) else outputs if isinstance(outputs, tuple) else [outputs]
    return torch.stack([y.sum() for y in each if y.is_floating_point()]).sum()


def backward_of(model: nn.Module, inputs: Iterable[Tensor]) -> tuple[int, int]:
    """The MACs of a backward pass: by `Products`, and by FlopCounterMode."""
    with sdpa_kernel(SDPBackend.MATH):
        loss = loss_of(model(*inputs))
        with FlopCounterMode(display=False) as flops, Products() as products:
            loss.backward()
    return products.macs, flops.get_total_flops() // 2


def on_meta(graph: Graph) -> nn.Module:
    with torch.device("meta"):
        return build(graph).train()


def grouped(graph: Graph) -> bool:
    return any(getattr(site.node.op, "groups", 1) > 1 for site in sites(graph))


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LARGE)) for n in SPECS])
def test_a_spec_equals_torchs_backward_pass(name: str) -> None:
    graph = archspec.load(name).graph
    report = cost_report(graph, batch_size=2)
    macs, torchs = backward_of(on_meta(graph), example_inputs(graph, 2, "meta"))
    assert report.backward_macs == macs == sum(layer.backward_macs for layer in report.layers())
    if not grouped(graph):
        assert macs == torchs
    assert report.backward_macs <= 2 * report.training_macs


NETWORKS = {
    "a depthwise convolution": "input: [4, 8, 8]\nstages: {a: {conv2d: {out_channels: 8, kernel_size: 3, groups: 4}}, b: {conv2d: {out_channels: 4, kernel_size: 3, groups: 2}}}",
    "transposed and grouped": "input: [4, 8, 8]\nstages: {a: {conv_transpose2d: {out_channels: 8, kernel_size: 3, groups: 4}}, b: {conv_transpose2d: {out_channels: 4, kernel_size: 3, stride: 2}}}",
    "nothing learned before": "input: [4, 8, 8]\nstages: {a: [relu, max_pool2d: 2], b: {conv2d: {out_channels: 8, kernel_size: 3}}, c: [flatten, linear: 3]}",
    "a repeat at the input": "input: [4, 8, 8]\nstages: {a: {conv2d: {out_channels: 4, kernel_size: 3, padding: 1}, repeat: 3}}",
    "integers": "input: {tokens: {shape: [8], dtype: int64, below: 9}}\nstages: {a: {embedding: 6}, b: {linear: 5}, c: {linear: 4}}",
    "a product of the input and a map of it": "input: {x: [5, 5]}\nstages: {a: {linear: 5}, b: {matmul: {a: {from: x}, b: {from: a}}}, c: {linear: 2}}",
    "attention to the input": "input: {x: [5, 8]}\nstages: {a: {linear: 8}, b: {attention: {query: {from: a}, key: {from: x}, value: {from: x}}}, c: {linear: 2}}",
    "attention with only a learned value": "input: {x: [5, 8]}\nstages: {a: {linear: 8}, b: {attention: {query: {from: x}, key: {from: x}, value: {from: a}}}, c: {linear: 2}}",
    "memory that learns nothing": "input: {x: [5, 8]}\nstages: {a: {linear: 8}, b: {multi_head_attention: {num_heads: 2, memory: x}}, c: {linear: 2}}",
    "heads at the input": "input: {x: [5, 8]}\nstages: {a: {multi_head_attention: {num_heads: 2}}, b: {linear: 2}}",
    "windows at the input": "input: [5, 6, 8]\nstages: {a: {window_attention: {num_heads: 2, window_size: 4, shift_size: 2}}, b: {window_attention: {num_heads: 2, window_size: 4}}}",
}


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_inputs_only_where_something_before_learns(name: str) -> None:
    graph = archspec.load("archspec: 1\nname: net\n" + NETWORKS[name]).graph
    macs, _ = backward_of(on_meta(graph), example_inputs(graph, 2, "meta"))
    assert cost_report(graph, batch_size=2).backward_macs == macs


def test_the_copies_of_a_repeat_differ_where_the_first_takes_the_networks_input() -> None:
    report = archspec.analyze("archspec: 1\nname: net\n" + NETWORKS["a repeat at the input"])
    one = report.layers()[0].macs
    assert [layer.backward_macs for layer in report.layers()] == [one, 2 * one, 2 * one]


@pytest.mark.parametrize("held", ["a.", "b.weight", "b.bias", "b.", "a.in_proj_w", "a.out_proj", "a.qkv", "a.proj", "a.relative"])
def test_frozen_parameters_have_no_gradient(held: str) -> None:
    for name in ("heads at the input", "windows at the input", "memory that learns nothing", "transposed and grouped", "integers"):
        graph = archspec.load("archspec: 1\nname: net\n" + NETWORKS[name]).graph
        model = on_meta(graph)
        frozen = [key for key, _ in model.named_parameters() if key.startswith(held)]
        for key in frozen:
            model.get_parameter(key).requires_grad_(False)
        macs, _ = backward_of(model, example_inputs(graph, 2, "meta"))
        assert cost_report(graph, batch_size=2, frozen=frozen).backward_macs == macs, name


def test_weights_that_several_places_share_are_frozen_at_each() -> None:
    graph = archspec.load("archspec: 1\ninput: [6]\nstages: {first: {linear: 6}, a: {linear: 6}, b: {share: a}, head: {linear: 3}}\n").graph
    model = on_meta(graph)
    model.get_parameter("a.weight").requires_grad_(False)
    macs, _ = backward_of(model, example_inputs(graph, 2, "meta"))
    assert cost_report(graph, batch_size=2, frozen=["a.weight"]).backward_macs == macs


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_equals_torchs_gradients(name: str) -> None:
    """Of any of its inputs and any of its parameters."""

    @settings(max_examples=12, deadline=None)
    @given(STRATEGIES[name], st.data())
    def check(case: Any, data: st.DataObject) -> None:
        drawn, shapes = case
        op, inputs = make_op_or_none(name, drawn), types_of(name, shapes)
        if op is None or len({x.shape[0] for x in inputs}) > 1:  # of two batches, whose sizes are not the op's to compare
            return
        try:
            outputs = infer_outputs(op, inputs)
        except ShapeError:
            return
        if not cost_of(op, inputs, outputs).macs:
            return
        specs = [key for key, spec in op.parameters(*inputs).items() if spec.learned]
        weights = frozenset(key for key in specs if data.draw(st.booleans()))
        learns = tuple(x.dtype in FLOATS and data.draw(st.booleans()) for x in inputs)
        if not weights and not any(learns):
            return
        with torch.device("meta"):
            module = op.build(*inputs)
            tensors = [torch.empty(x.shape, requires_grad=wanted) for x, wanted in zip(inputs, learns, strict=True)]
        for key, parameter in module.named_parameters():
            parameter.requires_grad_(key in weights)
        call = (lambda *xs: module(list(xs))) if hasattr(op, "roles") else module
        macs, _ = backward_of(call, tensors)
        assert op.backward_macs(Wanted(learns, weights), *inputs, *outputs) == macs

    check()


def make_op_or_none(name: str, fields: dict[str, Any]) -> Any:
    try:
        return make_op(name, fields)
    except ValueError:
        return None
