"""Passes over memory to measure: element-wise functions, norms, pools, reductions, updates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from archspec.calibrate.sample import Place, Run, Sample, sample

aten: Any = torch.ops.aten
# name: (function, gradient of (grad, saved))
_FUNCTIONS: Final[dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]]] = {
    "relu": (torch.relu, lambda g, x: aten.threshold_backward(g, x, 0)),
    "sigmoid": (torch.sigmoid, aten.sigmoid_backward),
    "gelu": (F.gelu, aten.gelu_backward),
    "silu": (F.silu, aten.silu_backward),
    "hardswish": (F.hardswish, aten.hardswish_backward),
    "hardsigmoid": (F.hardsigmoid, aten.hardsigmoid_backward),
}
_POOLS: Final = ((2, 2, 0), (3, 2, 1), (3, 1, 1))  # window, stride, padding
_CASTS: Final = 3
_SMALL: Final = (2, 16)  # images and channels, with which norms and pools of small images are measured
# Images and channels; norms are measured with all of them, pools and sums with the first two.
_BATCHES: Final = ((8, 64), (32, 16), (2, 512), (2, 64), (1, 192), (16, 320))
SIZES: Final = tuple(1 << power for power in (10, 12, 14, 16, 17, 19, 21, 23, 25))  # elements


def passes(place: Place, most: int) -> Iterator[Sample]:
    """Passes that do not depend on the layout, over up to `most` elements."""
    width = place.dtype.itemsize
    for n in [size for size in SIZES if size <= most]:
        yield from activations(place, n, _FUNCTIONS)
        yield sample("add", place, partial(_binary, place, n, torch.add), [(3 * n, width)], flops=n, warm=2)
        yield sample("add_", place, partial(_added, place, n), [(3 * n, width)], flops=n)
        yield sample("mul", place, partial(_binary, place, n, torch.mul), [(3 * n, width)], flops=n, warm=2)
        other = torch.bfloat16 if place.dtype == torch.float32 else torch.float32
        yield sample("copy", place, partial(_casts, place, n, other), [(n, width), (n, other.itemsize)], parts=_CASTS)
        yield sample("reordering_copy", place, partial(_reordered, place, n), [(2 * n, width)])
        yield sample("cat", place, partial(_concatenated, place, n), [(2 * n, width)], warm=2)
        yield sample("dropout", place, partial(_dropout, place, n), [(3 * n, width)], flops=n)
        yield sample("bernoulli_", place, partial(_drawn, place, n), [(n, width)], flops=n)
        rows = max(1, n // 512)
        for name, make in (("softmax", _softmax), ("layer_norm", _layer_norm)):
            for backward in (False, True):
                yield sample(
                    f"{name}_backward" if backward else name, place, partial(make, place, rows, backward=backward),
                    [((3 if backward else 2) * rows * 512, width)], flops=5 * rows * 512,
                )
        if place.precision == "fp32":
            yield from _updates(place, n)


def activations(place: Place, n: int, names: Iterable[str]) -> Iterator[Sample]:
    """These functions of n elements, and their gradients."""
    width = place.dtype.itemsize
    for name in names:
        function, gradient = _FUNCTIONS[name]
        yield sample(name, place, partial(_unary, place, n, function), [(2 * n, width)], flops=n)
        yield sample(f"{name}_backward", place, partial(_binary, place, n, gradient), [(3 * n, width)], flops=2 * n)


def _unary(place: Place, n: int, function: Callable[[Tensor], Tensor]) -> Run:
    return partial(function, place.tensor(n))


def _binary(place: Place, n: int, function: Callable[[Tensor, Tensor], Tensor]) -> Run:
    return partial(function, place.tensor(n), place.tensor(n))


def _added(place: Place, n: int) -> Run:
    return partial(torch.zeros(n, dtype=place.dtype, device=place.device).add_, place.tensor(n))


def _drawn(place: Place, n: int) -> Run:
    return partial(torch.empty(n, dtype=place.dtype, device=place.device).bernoulli_, 0.5)


def _casts(place: Place, n: int, dtype: torch.dtype) -> Run:
    """One after the other, as of a layer's weight, bias and input."""
    tensors = [place.tensor(n) for _ in range(_CASTS)]
    return lambda: [x.to(dtype) for x in tensors]


def _reordered(place: Place, n: int) -> Run:
    """As between NCHW and NHWC, or heads and tokens."""
    return place.tensor(4, 64, n // 256).transpose(1, 2).contiguous


def _concatenated(place: Place, n: int) -> Run:
    return partial(torch.cat, [place.tensor(4, n // 8), place.tensor(4, n // 8)], dim=1)


def _dropout(place: Place, n: int) -> Run:
    return partial(F.dropout, place.tensor(n), 0.5, training=True)


def _softmax(place: Place, rows: int, *, backward: bool) -> Run:
    x = place.tensor(rows, 512)
    return partial(aten._softmax_backward_data, x, x, 1, x.dtype) if backward else partial(torch.softmax, x, 1)


def _layer_norm(place: Place, rows: int, *, backward: bool) -> Run:
    x, w, b = place.tensor(rows, 512), place.tensor(512), place.tensor(512)
    if not backward:
        return partial(aten.native_layer_norm, x, [512], w, b, 1e-5)
    _, mean, deviation = aten.native_layer_norm(x, [512], w, b, 1e-5)
    return partial(aten.native_layer_norm_backward, x, x, [512], mean, deviation, w, b, [True, True, True])


def _updates(place: Place, n: int) -> Iterator[Sample]:
    """Fused updates of one parameter of n elements."""
    for name, states in (("sgd", 1), ("adam", 2)):
        moved = [((2 + states) * n, 4), ((1 + states) * n, 4)]
        yield sample(name, place, partial(_update, place, n, name), moved, flops=(2 + 4 * states) * n)


def _update(place: Place, n: int, name: str) -> Run:
    parameter = place.tensor(n).clone().requires_grad_()
    parameter.grad = place.tensor(n)
    optimizer: Any = (
        torch.optim.SGD([parameter], lr=1e-6, momentum=0.9, fused=True) if name == "sgd"
        else torch.optim.Adam([parameter], lr=1e-6, fused=True)
    )
    optimizer.step()  # makes the state
    update: Run = optimizer.step
    return update


def image_passes(place: Place, most: int) -> Iterator[Sample]:
    """Passes over images, whose time depends on the layout."""
    width = place.dtype.itemsize
    for n in [size for size in SIZES if size <= most and place.layout == "nhwc"]:  # as of a linear layer's bias
        rows = max(8, n // 512)
        yield _ordered("sum", place, (rows, n // rows, 1, 1), _sum, [(n, width)], flops=n)
    for n in [size for size in SIZES if size <= most]:
        gpu = place.device.type == "cuda"
        small, large = n <= 1 << 14, n >= 1 << 14
        batches = ((*_BATCHES[:2], (32, 256)) if gpu else _BATCHES) if large else ()
        for images, channels in (*((_SMALL,) if small and not gpu else ()), *batches):
            side = round((n / images / channels) ** 0.5)
            if side < 2:
                continue
            shape, count = (images, channels, side, side), images * channels * side * side
            yield from _norms(place, shape, count, width)
            if not gpu and (images, channels) not in (_SMALL, *_BATCHES[:2]):
                continue
            yield _ordered("sum", place, shape, _sum, [(count, width)], flops=count)
            yield _ordered("mean", place, shape, _mean, [(count, width)], flops=count)
            for window, stride, padding in _POOLS:
                if side >= 2 * window and (images != 32 or stride == 1):
                    yield from _pools(place, shape, (window, stride, padding))


def _ordered(
    name: str, place: Place, shape: tuple[int, ...], make: Callable[[Tensor], Run], moved: list[tuple[int, int]], *,
    flops: int, geometry: tuple[int, ...] = (),
) -> Sample:
    return sample(
        name, place, lambda: make(place.tensor(*shape)), moved, flops=flops, geometry=geometry, by_layout=True,
    )


def _sum(x: Tensor) -> Run:
    return partial(torch.sum, x, dim=(0, 2, 3))


def _mean(x: Tensor) -> Run:
    return partial(torch.mean, x, dim=(2, 3), keepdim=True)


def _norms(place: Place, shape: tuple[int, ...], count: int, width: int) -> Iterator[Sample]:
    def statistics(x: Tensor) -> list[Tensor]:
        return [torch.rand(x.shape[1], device=x.device) + 0.5 for _ in range(4)]

    cudnn = place.device.type == "cuda" and torch.backends.cudnn.enabled

    def forward(x: Tensor, *, training: bool) -> Run:
        weight, bias, mean, variance = statistics(x)
        return lambda: torch.batch_norm(x, weight, bias, mean, variance, training, 0.1, 1e-5, cudnn)

    def backward(x: Tensor) -> Run:
        if x.is_cuda:
            return _norm_gradient(x, place.tensor(*shape))
        weight, mean, variance, saved = statistics(x)
        grad = place.tensor(*shape)
        return lambda: aten.native_batch_norm_backward(
            grad, x, weight, mean, variance, mean, saved, True, 1e-5, [True, True, True]
        )

    two, three = [(2 * count, width)], [(3 * count, width)]
    geometry = shape[0], shape[1], shape[2] * shape[3]
    for name, make, moved, flops in (
        ("batch_norm", partial(forward, training=True), two, 4), ("batch_norm_backward", backward, three, 5),
        ("batch_norm_evaluation", partial(forward, training=False), two, 2),
    ):
        yield _ordered(name, place, shape, make, moved, flops=flops * count, geometry=geometry)


def _norm_gradient(x: Tensor, grad: Tensor) -> Run:
    """By autograd, which knows whether the kernels are torch's or cuDNN's."""
    weight, bias = (torch.rand(x.shape[1], device=x.device).requires_grad_() for _ in range(2))
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = torch.batch_norm(x, weight, bias, None, None, True, 0.1, 1e-5, torch.backends.cudnn.enabled)
    return partial(torch.autograd.grad, y, (x, weight, bias), grad, retain_graph=True)


def _pools(place: Place, shape: tuple[int, ...], window: tuple[int, int, int]) -> Iterator[Sample]:
    size, stride, padding = window
    width, count = place.dtype.itemsize, shape[0] * shape[1] * shape[2] * shape[3]
    side = (shape[2] + 2 * padding - size) // stride + 1
    out = shape[0] * shape[1] * side * side

    def largest(x: Tensor) -> Run:
        return lambda: F.max_pool2d(x, size, stride, padding, return_indices=True)

    def average(x: Tensor) -> Run:
        return lambda: F.avg_pool2d(x, size, stride, padding)

    def largest_backward(x: Tensor) -> Run:
        y, places = F.max_pool2d(x, size, stride, padding, return_indices=True)
        return lambda: aten.max_pool2d_with_indices_backward(
            y, x, [size] * 2, [stride] * 2, [padding] * 2, [1, 1], False, places
        )

    def average_backward(x: Tensor) -> Run:
        y = F.avg_pool2d(x, size, stride, padding)
        return lambda: aten.avg_pool2d_backward(
            y, x, [size] * 2, [stride] * 2, [padding] * 2, False, True, None
        )

    both, places = [(count + out, width)], [(count + out, width), (out, 8)]
    yield _ordered("max_pool2d", place, shape, largest, places, flops=out * size * size)
    yield _ordered("max_pool2d_backward", place, shape, largest_backward, places, flops=count)
    yield _ordered("avg_pool2d", place, shape, average, both, flops=out * size * size)
    yield _ordered("avg_pool2d_backward", place, shape, average_backward, both, flops=count)
