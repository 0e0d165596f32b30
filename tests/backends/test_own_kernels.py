"""archspec's own kernels give what torch's give, forward and backward; and are used where they should be."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import archspec
from archspec.backends.gemm_conv import FEW, GemmConv2d, can_be_gemm, windows
from archspec.backends.own_kernels import use_own_kernels
from archspec.backends.sliced_pool import SlicedAvgPool2d, can_be_sliced

QUICK = settings(deadline=None, max_examples=60)


def both(layer, own, x):
    """(output, gradients) of the layer, then of the same layer as the other class."""
    results = []
    for kind in (type(layer), own):
        layer.__class__ = kind
        layer.zero_grad()
        given_x = x.clone().requires_grad_()
        y = layer(given_x)
        (y * torch.arange(y.numel(), dtype=y.dtype).view_as(y).cos()).sum().backward()
        results.append([y.detach(), given_x.grad, *(p.grad.clone() for p in layer.parameters())])
    return results


@QUICK
@given(
    n=st.integers(1, 3), channels=st.tuples(st.integers(1, 5), st.integers(1, 5)), size=st.tuples(st.integers(3, 8), st.integers(3, 8)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)), stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)), bias=st.booleans(), last=st.booleans(),
)
def test_a_convolution_as_a_matrix_product(n, channels, size, kernel, stride, padding, bias, last):
    torch.manual_seed(0)
    layer = nn.Conv2d(*channels, kernel, stride, padding, bias=bias).double()
    x = torch.randn(n, channels[0], *size, dtype=torch.float64)
    if last:
        x, layer = x.contiguous(memory_format=torch.channels_last), layer.to(memory_format=torch.channels_last)
    expected, found = both(layer, GemmConv2d, x)
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(a, b)


def test_the_gradients_of_a_convolution_as_a_matrix_product_against_differences():
    layer = nn.Conv2d(2, 3, 3, 2, 1).double()
    layer.__class__ = GemmConv2d
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: layer(x), (x, *layer.parameters()))


def test_windows_are_what_unfold_gives():
    x = torch.randn(2, 3, 7, 6)
    ours = windows(x, (3, 2), (2, 1), (1, 0)).permute(0, 5, 3, 4, 1, 2).reshape(2, 3 * 3 * 2, -1)
    torch.testing.assert_close(ours, nn.functional.unfold(x, (3, 2), padding=(1, 0), stride=(2, 1)), rtol=0, atol=0)


def test_autocast_reaches_a_convolution_as_a_matrix_product():
    layer = nn.Conv2d(16, 8, 3).to(memory_format=torch.channels_last)
    x = torch.randn(4, 16, 4, 4).contiguous(memory_format=torch.channels_last)
    outputs = []
    for kind in (nn.Conv2d, GemmConv2d):
        layer.__class__ = kind
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x)
        y.float().square().sum().backward()
        outputs.append((y, layer.weight.grad.clone()))
    (expected, gradient), (found, own) = outputs
    assert found.dtype == expected.dtype == torch.bfloat16
    assert own.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(own, gradient, rtol=3e-2, atol=0.2)


@QUICK
@given(
    n=st.integers(1, 3), c=st.integers(1, 4), tiles=st.tuples(st.integers(1, 4), st.integers(1, 4)), side=st.integers(2, 4),
    last=st.booleans(),
)
def test_average_pooling_by_slices(n, c, tiles, side, last):
    torch.manual_seed(0)
    x = torch.randn(n, c, tiles[0] * side, tiles[1] * side, dtype=torch.float64)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    expected, found = both(nn.AvgPool2d(side), SlicedAvgPool2d, x)
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("layer", "size", "can"), [
    (nn.AvgPool2d(2), (8, 6), True),
    (nn.AvgPool2d(2, stride=2, count_include_pad=False), (8, 8), True),
    (nn.AvgPool2d((3, 3)), (9, 9), True),
    (nn.AvgPool2d(2), (7, 8), False),
    (nn.AvgPool2d(1), (8, 8), False),
    (nn.AvgPool2d(2, stride=1), (8, 8), False),
    (nn.AvgPool2d((2, 4)), (8, 8), False),
    (nn.AvgPool2d(2, padding=1), (8, 8), False),
    (nn.AvgPool2d(2, ceil_mode=True), (8, 8), False),
    (nn.AvgPool2d(2, divisor_override=3), (8, 8), False),
])
def test_which_pools_can_be_sliced(layer, size, can):
    assert can_be_sliced(layer, *size) == can


@pytest.mark.parametrize(("layer", "can"), [
    (nn.Conv2d(4, 4, 3), True), (nn.Conv2d(4, 4, 3, groups=2), False), (nn.Conv2d(4, 4, 3, dilation=2), False),
    (nn.Conv2d(4, 4, 3, padding="same"), False), (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), False),
])
def test_which_convolutions_can_be_matrix_products(layer, can):
    assert can_be_gemm(layer) == can


@pytest.mark.parametrize(("name", "last", "changed"), [
    ("lenet", False, {"pool1", "pool2"}),
    ("lenet", True, {"pool1", "pool2"}),
    ("alexnet28", True, set()),
    ("resnet18_96", True, {"b5."}),
    ("resnet18_96", False, set()),
])
def test_where_they_are_used(name, last, changed):
    loaded = archspec.load(name)
    with torch.device("meta"):
        model = archspec.build(loaded)
    paths = use_own_kernels(model, loaded.graph, channels_last=last)
    assert {path if path in changed else path[:3] for path in paths} == changed
    own = {path for path, layer in model.named_modules() if isinstance(layer, (GemmConv2d, SlicedAvgPool2d))}
    assert own == set(paths)
    few = {path for path, node, _ in loaded.graph.walk()
           if node.op is not None and node.op.op == "conv2d" and math.prod(node.outputs[0].shape[2:]) <= FEW}
    if last:
        assert {path for path in own if "pool" not in path} == few


def test_slices_keep_the_layout():
    x = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last).requires_grad_()
    layer = nn.AvgPool2d(2)
    layer.__class__ = SlicedAvgPool2d
    y = layer(x)
    y.square().sum().backward()
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert x.grad.is_contiguous(memory_format=torch.channels_last)


def test_a_network_keeps_its_parameters_and_its_outputs():
    loaded = archspec.load("lenet")
    model, x = archspec.build(loaded), torch.randn(3, 1, 28, 28)
    before, names = model(x), list(model.state_dict())
    assert use_own_kernels(model, loaded.graph, channels_last=False)
    torch.testing.assert_close(model(x), before)
    assert list(model.state_dict()) == names
