"""The modules that torch.nn lacks."""

from __future__ import annotations

import copy

import pytest
import torch
from torchvision.ops import StochasticDepth as Reference

from archspec.merges import Add, Concat, Mul
from archspec.nn import (
    Abs,
    Chunk,
    LayerScale,
    Max,
    Mean,
    Pad,
    Permute,
    Reshape,
    Roll,
    Scale,
    Select,
    Slice,
    StochasticDepth,
    Zero,
)

X = torch.arange(2 * 4 * 3 * 5, dtype=torch.float32).reshape(2, 4, 3, 5)


@pytest.mark.parametrize(("module", "expected"), [
    pytest.param(Permute((0, 2, 3, 1)), X.permute(0, 2, 3, 1), id="permute"),
    pytest.param(Reshape((6, -1)), X.reshape(2, 6, 10), id="reshape"),
    pytest.param(Chunk(2, 1), X[:, 2:], id="chunk"),
    pytest.param(Chunk(2, 0, dim=3), X[..., :3], id="chunk-dim"),
    pytest.param(Select(2, -1), X[:, :, -1], id="select"),
    pytest.param(LayerScale((4, 1, 1), 0.5), X * 0.5, id="layer-scale"),
    pytest.param(Roll((1, -2), (2, 3)), X[:, :, [2, 0, 1]][..., [2, 3, 4, 0, 1]], id="roll"),
    pytest.param(Slice(3, 1), X[..., 1:], id="slice-start"),
    pytest.param(Slice(1, 0, 3, 2), X[:, 0:3:2], id="slice-step"),
    pytest.param(Slice(2, -2, -1), X[:, :, -2:-1], id="slice-negative"),
    pytest.param(Pad((1, 0), -2.0), torch.cat([torch.full((2, 4, 3, 1), -2.0), X], 3), id="pad"),
    pytest.param(Pad((0, 0, 0, 1)), torch.cat([X, torch.zeros(2, 4, 1, 5)], 2), id="pad-second"),
    pytest.param(Mean((2, 3)), X.flatten(2).sum(2) / 15, id="mean"),
    pytest.param(Mean((-1,), keepdim=True), X.sum(3, keepdim=True) / 5, id="mean-keepdim"),
    pytest.param(Max((1, -1)), X[:, 3, :, 4], id="max"),
    pytest.param(Max((2,), keepdim=True), X[:, :, 2:], id="max-keepdim"),
    pytest.param(Scale(-0.25), X / -4, id="scale"),
    pytest.param(Zero(), torch.zeros_like(X), id="zero"),
])
def test_values(module: torch.nn.Module, expected: torch.Tensor) -> None:
    torch.testing.assert_close(module(X), expected)
    torch.testing.assert_close(copy.deepcopy(module)(X), expected)


def test_absolute_values() -> None:
    torch.testing.assert_close(Abs()(X - 7), torch.maximum(X - 7, 7 - X))


@pytest.mark.parametrize("module", [
    Permute((0, 2, 3, 1)), Reshape((6, -1)), Chunk(2, 1), Select(2, -1), LayerScale((4, 1, 1)), StochasticDepth(0.2),
    Roll((1, -2), (2, 3)), Slice(1, 0, 3, 2), Pad((1, 0), -2.0), Mean((2, 3)), Max((1, -1)), Scale(0.5), Abs(), Zero(),
], ids=lambda m: type(m).__name__)
def test_export_and_trace(module: torch.nn.Module) -> None:
    module.eval()
    exported = torch.export.export(module, (X,)).module()
    torch.testing.assert_close(exported(X), module(X))


def test_merges_take_any_number_of_inputs() -> None:
    torch.testing.assert_close(Add()([X]), X)
    torch.testing.assert_close(Add()([X, X, X]), 3 * X)
    torch.testing.assert_close(Mul()([X, X]), X * X)
    torch.testing.assert_close(Concat(2)([X, X, X]), torch.cat([X, X, X], 2))


@pytest.mark.parametrize("module", [Add(), Mul(), Concat()], ids=lambda m: type(m).__name__)
def test_merges_are_exported_with_any_batch(module: torch.nn.Module) -> None:
    """A signature of `*inputs` has no place for the shapes of each."""
    batch = torch.export.Dim("batch")
    shapes = ([{0: batch}, {0: batch}],)
    exported = torch.export.export(module.eval(), ([X, X + 1],), dynamic_shapes=shapes).module()
    more = [torch.cat([X, X]), torch.cat([X, X]) + 1]
    torch.testing.assert_close(exported(more), module(more))


def test_merges_leave_their_inputs_alone() -> None:
    x = X.clone()
    Add()([x, x]), Mul()([x, x])
    torch.testing.assert_close(x, X)


@pytest.mark.parametrize("mode", ["row", "batch"])
@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_stochastic_depth_equals_torchvision(mode: str, p: float) -> None:
    x = torch.ones(64, 2, 1, 1)
    for training in (True, False):
        torch.manual_seed(1)
        ours = StochasticDepth(p, mode).train(training)(x)
        torch.manual_seed(1)
        torch.testing.assert_close(ours, Reference(p, mode).train(training)(x))


def test_layer_scale_resets_to_its_initial_value() -> None:
    module = LayerScale((4,), 0.25)
    torch.nn.init.zeros_(module.weight)
    module.reset_parameters()
    assert module.weight.tolist() == [0.25] * 4


def test_repr_shows_the_arguments() -> None:
    assert repr(Permute((0, 2, 1))) == "Permute(dims=(0, 2, 1))"
    assert repr(Chunk(2, 1)) == "Chunk(chunks=2, index=1, dim=1)"
    assert repr(Concat()) == "Concat(dim=1)"
    assert repr(LayerScale((3, 1, 1))) == "LayerScale((3, 1, 1), init_value=1e-06)"
