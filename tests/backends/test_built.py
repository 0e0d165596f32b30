"""A layer remembers what it was built from, through copies of every kind; what it remembers changes nothing else."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn

import archspec
from archspec.backends.built import build_layer, layers, layers_with, normalises_batch
from archspec.ops import make_op
from archspec.ops.traits import Drops, Normalises
from archspec.types import TensorType

TEXT = """
archspec: 1
input: [3, 8, 8]
stages:
  a: [conv2d: {out_channels: 4, kernel_size: 3}, {sequential: [batch_norm2d, relu], repeat: 2}]
  b: {add: {main: [{conv2d: {out_channels: 4, kernel_size: 1}}, dropout: 0.2], skip: []}}
"""


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return archspec.build(archspec.load(TEXT))


def ops(model: nn.Module) -> list[tuple[str, str]]:
    return [(layer.path, layer.op.op) for layer in layers(model)]


def test_layers_are_those_of_the_graph(model: nn.Module) -> None:
    graph = archspec.load(TEXT).graph
    assert ops(model) == [(path, node.op.op) for path, node, _ in graph.walk() if node.op is not None]
    assert all(layer.module is model.get_submodule(layer.path) for layer in layers(model))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copied", "pickled"])
def test_a_copy_remembers_too(model: nn.Module, again) -> None:
    other = again(model)
    assert ops(other) == ops(model)
    assert all(a.module is not b.module for a, b in zip(layers(other), layers(model), strict=True))


def test_it_is_seen_in_nothing_that_torch_makes_of_a_network(model: nn.Module) -> None:
    x = torch.randn(2, 3, 8, 8)
    quiet = copy.deepcopy(model).eval()
    assert "archspec_layer" not in repr(quiet) + str(list(quiet.state_dict()))
    expected = quiet(x)
    torch.testing.assert_close(torch.export.export(quiet, (x,)).module()(x), expected)
    torch.testing.assert_close(torch.compile(quiet, backend="eager", fullgraph=True)(x), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have torch.export
        torch.testing.assert_close(torch.jit.script(quiet.a)(x), quiet.a(x))


def test_traits_of_a_network(model: nn.Module) -> None:
    assert [layer.path for layer, norm in layers_with(model, Normalises) if norm.batch] == ["a.sequential_1.0.batch_norm2d_1", "a.sequential_1.1.batch_norm2d_1"]
    assert [drops.share(layer.op) for layer, drops in layers_with(model, Drops)] == [0.2]
    assert normalises_batch(model)
    assert not normalises_batch(nn.Sequential(nn.BatchNorm2d(3))), "what archspec has not built is not known"


def test_tensors_of_a_layer_may_lie_deeper(model: nn.Module) -> None:
    """Names have dots then, as in a state_dict."""

    class Nested(type(make_op("linear", {"out_features": 2}))):  # type: ignore[misc]
        def parameters(self, x: TensorType):
            return {f"inner.{name}": spec for name, spec in super().parameters(x).items()}

        def build(self, x: TensorType) -> nn.Module:
            return nn.ModuleDict({"inner": super().build(x)})

    (found,) = layers(build_layer(Nested(out_features=2), (TensorType((1, 3)),)))
    assert [(name, tuple(tensor.shape)) for name, tensor, _ in found.parameters()] == [("inner.weight", (2, 3)), ("inner.bias", (2,))]
