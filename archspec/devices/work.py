"""Kernels as a time model sees them: what family they belong to, and the matrix product that a convolution comes to."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Final, NamedTuple, Protocol


class KernelLike(Protocol):
    """What a time model reads of a kernel; `archspec.execution.Kernel` has it. See there."""

    @property
    def layer(self) -> str:
        """The path of its op."""

    @property
    def name(self) -> str:
        """As torch's op."""

    @property
    def direction(self) -> str:
        """forward, backward or optimizer."""

    @property
    def dtype(self) -> str:
        """Of what it computes."""

    @property
    def read_bytes(self) -> int:
        """Bytes that it reads."""

    @property
    def written_bytes(self) -> int:
        """Bytes that it writes."""

    @property
    def macs(self) -> int:
        """Multiply-adds of products."""

    @property
    def flops(self) -> int:
        """Other arithmetic."""

    @property
    def geometry(self) -> tuple[int, ...]:
        """What decides its speed besides."""

    @property
    def nhwc(self) -> bool:
        """Whether a convolution, a batch norm or a sum runs on NHWC."""


class Work(NamedTuple):
    """What one kernel does.

    family: a kind of kernel whose instances have one efficiency. rows, columns, depth: the matrix product
    (rows × depth) · (depth × columns) that it computes, by implicit GEMM for a convolution (Chetlur et al. 2014,
    "cuDNN: efficient primitives for deep learning", section 3); 1 for other kernels. channels: of a convolution's
    input, of one group. filters: of its output, of one group. pixels: of its output, those of all images. taps:
    elements of its window. stride, dilation: the products of its strides and dilations. groups: of a convolution. nhwc:
    see `archspec.execution.Kernel`; a batch norm has its channels in `channels`. plane: the pixels of a channel in one
    image, of a convolution's output or of a batch norm; of attention, the keys. hot: whether its data are in the
    caches, as in a network whose data all are.
    """

    family: str
    low: bool
    nbytes: int
    macs: int
    flops: int
    rows: int = 1
    columns: int = 1
    depth: int = 1
    channels: int = 0
    filters: int = 0
    pixels: int = 0
    taps: int = 1
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    nhwc: bool = False
    plane: int = 0
    hot: bool = False


CONVOLUTIONS: Final = {
    "convolution": "conv", "convolution_backward_input": "conv_input", "convolution_backward_weight": "conv_weight",
}
LOW: Final = frozenset(("bfloat16", "float16"))
# Part of a name → family, in order; what is in none of them is element-wise.
_FAMILIES: Final = (
    ("batch_norm_backward", "norm_backward"), ("batch_norm", "norm"), ("group_norm", "layer_norm"),
    ("layer_norm", "layer_norm"), ("instance_norm", "norm"), ("pool", "pool"), ("convolution_backward_bias", "reduce"),
    ("sum", "reduce"), ("mean", "reduce"), ("copy", "copy"), ("clone", "copy"),
)
UPDATES: Final = frozenset(("sgd", "adam", "adamw", "rmsprop"))


def family_of(name: str) -> str:
    """The family of a kernel without a product."""
    if name in UPDATES:
        return "update"
    return next((family for part, family in _FAMILIES if part in name), "elementwise")


def work_of(kernel: KernelLike) -> Work:
    """What a kernel does, from its name, bytes, multiply-adds and geometry."""
    return _work(
        kernel.name, kernel.dtype, kernel.read_bytes + kernel.written_bytes, kernel.macs, kernel.flops, kernel.geometry,
        kernel.nhwc,
    )


def signature(kernel: KernelLike) -> tuple[object, ...]:
    """All of a kernel but its layer. Those that agree in it take the same time, so a model computes one of them."""
    return (
        kernel.name, kernel.direction, kernel.dtype, kernel.read_bytes, kernel.written_bytes, kernel.macs, kernel.flops,
        kernel.geometry, kernel.nhwc,
    )


@lru_cache(maxsize=8192)
def _work(name: str, dtype: str, nbytes: int, macs: int, flops: int, geometry: tuple[int, ...], nhwc: bool) -> Work:
    low = dtype in LOW
    if macs and name in CONVOLUTIONS and len(geometry) > 4:
        return _convolution(CONVOLUTIONS[name], low, nbytes, macs, geometry, nhwc)
    if macs and len(geometry) >= 4:
        batch, rows, columns, depth = geometry[:4]
        return Work("product", low, nbytes, macs, flops, batch * rows, columns, depth)
    if macs:  # a product of unknown form, as of an op without a rule
        side = max(1, round(macs ** (1 / 3)))
        keys = geometry[1] if len(geometry) == 3 else 0  # of attention
        return Work("product", low, nbytes, macs, flops, side, side, side, plane=keys)
    family = family_of(name)
    if family.startswith("norm") and len(geometry) == 3:
        return Work(family, low, nbytes, 0, flops, channels=geometry[1], plane=geometry[2], nhwc=nhwc)
    return Work(family, low, nbytes, 0, flops, nhwc=nhwc)


def _convolution(family: str, low: bool, nbytes: int, macs: int, geometry: tuple[int, ...], nhwc: bool) -> Work:
    """geometry: (N, C, K, groups, *output size, *kernel size, *strides, *dilations)."""
    batch, channels, filters, groups, *rest = geometry
    rank = len(rest) // 4
    taps, pixels = prod(rest[rank : 2 * rank]), batch * prod(rest[:rank])
    channels, filters = channels // groups, filters // groups
    stride, dilation = prod(rest[2 * rank : 3 * rank]), prod(rest[3 * rank :])
    if family == "conv":
        product = pixels, filters, channels * taps
    elif family == "conv_input":
        product = pixels * stride, channels, filters * taps
    else:
        product = filters, channels * taps, pixels
    return Work(
        f"grouped_{family}" if groups > 1 else family, low, nbytes, macs, 0, *product, channels, filters, pixels, taps,
        stride, dilation, groups, nhwc=nhwc, plane=pixels // batch,
    )
