"""What counting tools see of a layer: its modules, and the functions of torch that they call in evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Final

from archspec.ops import Operation, cost_of
from archspec.types import TensorType

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function of torch that a module calls.

    name: as it is called: `F.linear`, `Tensor.mul`, `Tensor.__add__`. inputs, output: shapes. macs: archspec's.
    kernel: the product that runs on a CPU: convolution, addmm, mm, bmm, flash_attention; empty for any other work.
    bias: whether it has one.
    """

    name: str
    inputs: tuple[Shape, ...]
    output: Shape
    macs: int = 0
    kernel: str = ""
    bias: bool = False


@dataclass(frozen=True, slots=True)
class Module:
    """A module, with its class and what it calls itself. elementwise_flops: archspec's, of the whole layer."""

    name: str
    op: Operation
    inputs: tuple[Shape, ...]
    output: Shape
    parameters: dict[str, Shape] = field(default_factory=dict)
    calls: tuple[Call, ...] = ()
    children: tuple[Module, ...] = ()
    elementwise_flops: int = 0

    @property
    def macs(self) -> int:
        """archspec's MACs of what it calls itself."""
        return sum(call.macs for call in self.calls)

    def walk(self) -> Iterator[Module]:
        """It and the modules in it."""
        yield self
        for child in self.children:
            yield from child.walk()


def module_of(
    op: Operation, types: tuple[TensorType, ...], output: TensorType, products: Sequence[str]
) -> Module | None:
    """The module that a layer builds; None for a class that is not known here, such as that of a plugin's op.

    products: the names of the kernels with multiply-adds that it runs on a CPU, in order.
    """
    name = op.torch_name
    if name not in FUNCTIONS and name not in _COMPOSED and name not in _IDLE:
        return None
    shapes, y = tuple([x.shape for x in types]), output.shape
    parameters = {key: spec.shape for key, spec in op.parameters(*types).items() if spec.learned}
    cost = cost_of(op, types, (output,))
    if cost.macs and not products:
        return None  # a plugin's op without a rule for its kernels
    calls, children = _COMPOSED.get(name, _plain)(op, types, y, products)
    own = {key: shape for key, shape in parameters.items() if "." not in key}
    return Module(name, op, shapes, y, own, tuple(calls), tuple(children), cost.elementwise_flops)


LINEAR: Final = "Linear"  # the class of torch.nn, which other modules have as a child
POOLS: Final = ("max", "avg", "adaptive_avg", "adaptive_max")
_Composed = tuple[list[Call], list[Module]]
_BY_RANK: Final = {
    "Conv": "conv", "ConvTranspose": "conv_transpose", "MaxPool": "max_pool", "AvgPool": "avg_pool",
    "AdaptiveAvgPool": "adaptive_avg_pool", "AdaptiveMaxPool": "adaptive_max_pool",
}
FUNCTIONS: Final = {  # what the `forward` of a class calls
    LINEAR: "F.linear", "LayerNorm": "F.layer_norm", "GroupNorm": "F.group_norm", "ReLU": "F.relu",
    "ReLU6": "F.hardtanh", "LeakyReLU": "F.leaky_relu", "PReLU": "F.prelu", "ELU": "F.elu", "GELU": "F.gelu",
    "SiLU": "F.silu", "Mish": "F.mish", "Sigmoid": "torch.sigmoid", "Tanh": "torch.tanh", "Hardswish": "F.hardswish",
    "Hardsigmoid": "F.hardsigmoid", "Softmax": "F.softmax", "LogSoftmax": "F.log_softmax", "Embedding": "F.embedding",
    "Upsample": "F.interpolate", "Abs": "Tensor.abs", "Scale": "Tensor.__mul__", "Zero": "Tensor.__mul__",
    "LayerScale": "Tensor.__mul__", "Mean": "Tensor.mean", "Max": "Tensor.amax", "MatMul": "Tensor.__matmul__",
    **{f"{name}{rank}d": f"F.{call}{rank}d" for name, call in _BY_RANK.items() for rank in (1, 2, 3)},
    **{f"BatchNorm{rank}d": "F.batch_norm" for rank in (1, 2, 3)},
    **{f"InstanceNorm{rank}d": "F.instance_norm" for rank in (1, 2, 3)},
}


_IDLE: Final = frozenset((  # classes that only move values in evaluation
    "Identity", "Dropout", "Dropout2d", "StochasticDepth", "Flatten", "Reshape", "Permute", "Chunk", "Select", "Slice",
    "Roll", "Pad", "Concat", "Stack", "ChannelShuffle", "PixelShuffle", "PixelUnshuffle", "Learned", "ZeroPad1d",
    "ZeroPad2d", "ZeroPad3d",
))


def _plain(op: Operation, types: tuple[TensorType, ...], y: Shape, products: Sequence[str]) -> _Composed:
    """A module that calls one function, or none that computes."""
    name = FUNCTIONS.get(op.torch_name or "")
    if name is None:
        return [], []
    shapes = tuple([x.shape for x in types])
    macs, bias = op.cost(*types, TensorType(y)).macs, "bias" in op.parameters(*types)
    return [Call(name, shapes, y, macs, products[0] if products else "", bias)], []


def _linear(x: Shape, outputs: int, kernel: str, *, bias: bool) -> Call:
    y = (*x[:-1], outputs)
    return Call("F.linear", (x,), y, prod(y) * x[-1], kernel, bias)


def _linear_module(op: Operation, x: Shape, outputs: int, kernel: str, *, bias: bool) -> Module:
    call = _linear(x, outputs, kernel, bias=bias)
    parameters: dict[str, Shape] = {"weight": (outputs, x[-1])}
    if bias:
        parameters["bias"] = (outputs,)
    return Module(LINEAR, op, (x,), call.output, parameters, (call,))


def _scaled_dot_product(query: Shape, key: Shape, value: Shape, kernel: str) -> Call:
    y = (*query[:-1], value[-1])
    macs = prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
    return Call("F.scaled_dot_product_attention", (query, key, value), y, macs, kernel)


def _attention(op: Operation, types: tuple[TensorType, ...], y: Shape, products: Sequence[str]) -> _Composed:
    query, key, value = (x.shape for x in types[:3])
    return [_scaled_dot_product(query, key, value, products[0])], []


def _multi_head(op: Operation, types: tuple[TensorType, ...], y: Shape, products: Sequence[str]) -> _Composed:
    """`archspec.attention.MultiHeadAttention`: projections by function, then a Linear as a child."""
    heads: int = getattr(op, "num_heads")  # noqa: B009 (of this op)
    x, memory = types[0].shape, types[-1].shape
    n, length, width = x
    bias = "in_proj_bias" in op.parameters(*types)
    each = [(x, 3 * width)] if len(types) == 1 else [(x, width), (memory, 2 * width)]
    calls = [_linear(one, size, products[k], bias=bias) for k, (one, size) in enumerate(each)]
    query = (n, heads, length, width // heads)
    key = (n, heads, memory[1], width // heads)
    calls.append(_scaled_dot_product(query, key, key, products[len(each)]))
    return calls, [_linear_module(op, x, width, products[-1], bias=bias)]


def _windows(op: Operation, types: tuple[TensorType, ...], y: Shape, products: Sequence[str]) -> _Composed:
    """`archspec.attention.WindowAttention`: a Linear before and after."""
    heads: int = getattr(op, "num_heads")  # noqa: B009 (of this op)
    window: Shape = getattr(op, "window_size")  # noqa: B009
    n, *sizes, channels = types[0].shape
    count, places = prod([-(-size // w) for size, w in zip(sizes, window, strict=True)]), prod(window)
    x, query = (n, count, places, channels), (n, count, heads, places, channels // heads)
    bias = "qkv.bias" in op.parameters(*types)
    return [_scaled_dot_product(query, query, query, products[1])], [
        _linear_module(op, x, 3 * channels, products[0], bias=bias),
        _linear_module(op, x, channels, products[-1], bias=bias),
    ]


def _neighbours(op: Operation, _: tuple[TensorType, ...], y: Shape, __: Sequence[str]) -> _Composed:
    """`F.local_response_norm`: squares, their mean in a window of channels, factor and offset, power, quotient."""
    size: int = getattr(op, "size")  # noqa: B009 (of this op)
    n, channels, *rest = y
    padded = (n, 1, channels + size - 1, *rest)
    volume = (n, 1, channels + size - 1, rest[0], prod(rest[1:]))
    pool = Call("F.avg_pool2d", (padded,), y) if len(y) == 3 else Call("F.avg_pool3d", (volume,), y)
    names = ("Tensor.mul", "Tensor.mul", "Tensor.add", "Tensor.pow", "Tensor.__truediv__")
    return [pool, *[Call(name, (y,), y) for name in names]], []


def _pairs(name: str) -> Callable[[Operation, tuple[TensorType, ...], Shape, Sequence[str]], _Composed]:
    """One call for each input after the first."""

    def calls(_: Operation, types: tuple[TensorType, ...], y: Shape, __: Sequence[str]) -> _Composed:
        return [Call(name, (x.shape,), y) for x in types[1:]], []

    return calls


_COMPOSED: Final[dict[str, Callable[..., _Composed]]] = {
    "Attention": _attention, "MultiHeadAttention": _multi_head, "WindowAttention": _windows,
    "LocalResponseNorm": _neighbours, "Add": _pairs("Tensor.__add__"), "Sub": _pairs("Tensor.__sub__"),
    "Mul": _pairs("Tensor.__mul__"), "Div": _pairs("Tensor.__truediv__"),
}
