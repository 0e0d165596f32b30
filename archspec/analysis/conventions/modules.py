"""What counting tools see of a layer: its modules, and the functions of torch that they call in evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final

from archspec.analysis.conventions.strides import contiguous, is_contiguous, viewed
from archspec.ops import Operation, cost_of
from archspec.types import TensorType

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor that flows into a layer. strides: of its elements on a CPU. learns: whether it needs a gradient."""

    type: TensorType
    strides: Shape
    learns: bool

    @property
    def shape(self) -> Shape:
        """Its shape, the batch included."""
        return self.type.shape


@dataclass(frozen=True, slots=True)
class Call:
    """A function of torch that a module calls.

    name: as it is called: `F.linear`, `Tensor.mul`, `Tensor.__add__`. inputs, output: shapes. macs: archspec's.
    kernel: the product that runs on a CPU: convolution, addmm, mm, bmm; "fused" for an attention without products to
    be seen; empty for any other work. bias: whether it has one.
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


def module_of(op: Operation, operands: tuple[Operand, ...], output: TensorType) -> Module | None:
    """The module that a layer builds; None for a class that is not known here, such as that of a plugin's op."""
    name = op.torch_name
    if name not in FUNCTIONS and name not in _COMPOSED and name not in _IDLE:
        return None
    types = tuple([x.type for x in operands])
    shapes, y = tuple([x.shape for x in operands]), output.shape
    parameters = {key: spec.shape for key, spec in op.parameters(*types).items() if spec.learned}
    cost = cost_of(op, types, (output,))
    calls, children = _COMPOSED.get(name, _plain)(op, operands, y, parameters)
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


def _plain(op: Operation, operands: tuple[Operand, ...], y: Shape, parameters: dict[str, Shape]) -> _Composed:
    """A module that calls one function, or none that computes."""
    name = FUNCTIONS.get(op.torch_name or "")
    if name is None:
        return [], []
    shapes = tuple([x.shape for x in operands])
    macs = op.cost(*[x.type for x in operands], TensorType(y)).macs
    bias = "bias" in parameters
    kernel = ""
    if name == "F.linear":
        kernel = _linear_kernel(shapes[0], bias=bias, dense=is_contiguous(shapes[0], operands[0].strides))
    elif macs:
        kernel = "bmm" if name == "Tensor.__matmul__" else "convolution"
    return [Call(name, shapes, y, macs, kernel, bias)], []


def _linear_kernel(shape: Shape, *, bias: bool, dense: bool) -> str:
    """torch flattens a contiguous input of more dims and adds the bias in the product; otherwise it adds it after."""
    return "addmm" if bias and (len(shape) == 2 or dense) else "mm"


def _linear(x: Shape, outputs: int, *, bias: bool, dense: bool) -> Call:
    y = (*x[:-1], outputs)
    kernel = _linear_kernel(x, bias=bias, dense=dense)
    return Call("F.linear", (x,), y, prod(y) * x[-1], kernel, bias)


def _linear_module(op: Operation, x: Shape, outputs: int, *, bias: bool, dense: bool = True) -> Module:
    call = _linear(x, outputs, bias=bias, dense=dense)
    parameters: dict[str, Shape] = {"weight": (outputs, x[-1])}
    if bias:
        parameters["bias"] = (outputs,)
    return Module(LINEAR, op, (x,), call.output, parameters, (call,))


def _products(query: Shape, key: Shape, value: Shape, *, fused: bool) -> Call:
    """Attention. fused: whether a CPU computes it in one kernel."""
    y = (*query[:-1], value[-1])
    macs = prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
    return Call("F.scaled_dot_product_attention", (query, key, value), y, macs, "fused" if fused else "bmm")


def _attention(op: Operation, operands: tuple[Operand, ...], y: Shape, _: dict[str, Shape]) -> _Composed:
    query, key, value, *bias = operands
    dense = all(x.strides[-1] == 1 or x.shape[-1] == 1 for x in operands[:3])
    fused = (
        query.type.ndim in (3, 4) and query.shape[-1] == value.shape[-1] and dense and not any(x.learns for x in bias)
    )
    return [_products(query.shape, key.shape, value.shape, fused=fused)], []


def _multi_head(op: Operation, operands: tuple[Operand, ...], y: Shape, parameters: dict[str, Shape]) -> _Composed:
    """`archspec.attention.MultiHeadAttention`: projections by function, then a Linear as a child."""
    heads: int = getattr(op, "num_heads")  # noqa: B009 (of this op)
    x, memory = operands[0], operands[-1]
    n, length, width = x.shape
    bias = "in_proj_bias" in parameters
    each = [(x, 3 * width)] if len(operands) == 1 else [(x, width), (memory, 2 * width)]
    calls = [
        _linear(one.shape, size, bias=bias, dense=is_contiguous(one.shape, one.strides)) for one, size in each
    ]
    query = (n, heads, length, width // heads)
    key = (n, heads, memory.shape[1], width // heads)
    return [*calls, _products(query, key, key, fused=True)], [_linear_module(op, x.shape, width, bias=bias)]


def _windows(op: Operation, operands: tuple[Operand, ...], y: Shape, parameters: dict[str, Shape]) -> _Composed:
    """`archspec.attention.WindowAttention`: a Linear before and after. The learned bias excludes the fused kernel."""
    heads: int = getattr(op, "num_heads")  # noqa: B009 (of this op)
    window: Shape = getattr(op, "window_size")  # noqa: B009
    n, *sizes, channels = operands[0].shape
    (down, across), (rows, columns) = (-(-size // w) for size, w in zip(sizes, window, strict=True)), window
    x = (n, down * across, rows * columns, channels)
    strides = contiguous((n, down, rows, across, columns, channels))
    cut = viewed((n, down, across, rows, columns, channels), tuple([strides[k] for k in (0, 1, 3, 2, 4, 5)]), x)
    bias = "qkv.bias" in parameters
    query = (n, down * across, heads, rows * columns, channels // heads)
    made = contiguous(query)
    joined = viewed(tuple([query[k] for k in (0, 1, 3, 2, 4)]), tuple([made[k] for k in (0, 1, 3, 2, 4)]), x)
    return [_products(query, query, query, fused=False)], [
        _linear_module(op, x, 3 * channels, bias=bias, dense=is_contiguous(x, cut)),
        _linear_module(op, x, channels, bias=bias, dense=is_contiguous(x, joined)),
    ]


def _neighbours(op: Operation, operands: tuple[Operand, ...], y: Shape, _: dict[str, Shape]) -> _Composed:
    """`F.local_response_norm`: squares, their mean in a window of channels, factor and offset, power, quotient."""
    size: int = getattr(op, "size")  # noqa: B009 (of this op)
    n, channels, *rest = y
    padded = (n, 1, channels + size - 1, *rest)
    volume = (n, 1, channels + size - 1, rest[0], prod(rest[1:]))
    pool = Call("F.avg_pool2d", (padded,), y) if len(y) == 3 else Call("F.avg_pool3d", (volume,), y)
    names = ("Tensor.mul", "Tensor.mul", "Tensor.add", "Tensor.pow", "Tensor.__truediv__")
    return [pool, *[Call(name, (y,), y) for name in names]], []


def _pairs(name: str) -> Callable[[Operation, tuple[Operand, ...], Shape, dict[str, Shape]], _Composed]:
    """One call for each input after the first."""

    def calls(_: Operation, operands: tuple[Operand, ...], y: Shape, __: Any) -> _Composed:
        return [Call(name, (x.shape,), y) for x in operands[1:]], []

    return calls


_COMPOSED: Final[dict[str, Callable[..., _Composed]]] = {
    "Attention": _attention, "MultiHeadAttention": _multi_head, "WindowAttention": _windows,
    "LocalResponseNorm": _neighbours, "Add": _pairs("Tensor.__add__"), "Sub": _pairs("Tensor.__sub__"),
    "Mul": _pairs("Tensor.__mul__"), "Div": _pairs("Tensor.__truediv__"),
}
