"""Attention with its own projections: of a sequence, and in windows of an image."""

from math import prod
from typing import TYPE_CHECKING

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from archspec.diagnostics import plural
from archspec.ops.base import Op, PositiveInt, PositivePair, Probability, Wanted, register_op
from archspec.ops.fields import clash, set_to_divisor
from archspec.ops.parameters import Computed, Glorot, ParamSpec, TruncatedNormal, buffer, learned, projection
from archspec.ops.ranks import NonNegativePair
from archspec.ops.reach import Reach, blocks, same
from archspec.ops.traits import AffectsNothing, FeaturesLast, KeepsLayout, Stochastic
from archspec.ops.windows import pair_text
from archspec.text import shape_text
from archspec.types import Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


def _check_heads(num_heads: int, x: TensorType) -> None:
    """ShapeError if the heads do not divide the width, the last dim."""
    width = x.shape[-1]
    if width % num_heads:
        raise ShapeError(
            f"width ({width}) is not divisible by num_heads ({num_heads})", field="num_heads",
            hint=set_to_divisor("num_heads", num_heads, width), partial=x,
        )


@register_op
class MultiHeadAttention(Op):
    """Attention in several heads, with learned projections (Vaswani et al. 2017, section 3.2.2).

    The weights and the order of its computations are those of `torch.nn.MultiheadAttention` with `batch_first`. Keys
    and values come from the input, or from the value that `memory` names, as `from` does: a stage or a named layer.
    Shapes: (N, L, E) and, with memory, (N, S, E) -> (N, L, E).
    Cost: N*(2*L + 2*S)*E*E MACs of the projections, 2*N*L*S*E of the products; per score and head 4 elementwise
        FLOPs; 4*E*E + 4*E parameters.
    Errors: ShapeError if the input is no sequence, if num_heads does not divide E, or if the memory has another width.
    """

    op = "multi_head_attention"
    torch_name = "MultiHeadAttention"
    aliases = ("multihead_attention", "mha", "multihead_self_attention", "self_attention")
    main = "num_heads"
    references = ("memory",)
    traits = (Stochastic("dropout"), FeaturesLast())

    num_heads: AffectsNothing[PositiveInt] = Field(description="number of heads, which divides the width")
    memory: AffectsNothing[str | None] = Field(
        None, description="name of the value for keys and values; by default the input"
    )
    causal: AffectsNothing[bool] = Field(False, description="a place sees those up to its own, no later ones")
    bias: AffectsNothing[bool] = Field(True, description="add a learned bias in each projection")
    dropout: AffectsNothing[Probability] = Field(
        0.0, description="probability of a weight of the attention to be zeroed in training"
    )

    @override
    def infer(self, x: TensorType, memory: TensorType | None = None) -> tuple[TensorType]:
        for value in (x,) if memory is None else (x, memory):
            if value.ndim != 3:
                of = "" if value is x else " of the memory"
                hint = "put `flatten: 2` and `permute: [0, 2, 1]` before it"
                raise ShapeError(
                    f"needs a sequence (length, features), got {plural(value.ndim - 1, 'dimension')}{of}",
                    hint=hint if value.ndim == 4 else None,
                )
        _check_heads(self.num_heads, x)
        if memory is not None and memory.shape[-1] != x.shape[-1]:
            raise ShapeError(
                f"the memory {shape_text(memory.shape[1:])} and the input {shape_text(x.shape[1:])} disagree in width",
                field="memory", hint=f"end the memory with `linear: {x.shape[-1]}`", code="SHAPE107", partial=x,
            )
        return (x,)

    @override
    def cost(self, *types: TensorType) -> Cost:
        x, memory, _ = types if len(types) == 3 else (types[0], types[0], types[1])
        n, length, width = x.shape
        scores = n * length * memory.shape[1]
        projections = n * (2 * length + 2 * memory.shape[1]) * width * width
        return Cost(macs=projections + 2 * scores * width, elementwise_flops=4 * scores * self.num_heads)

    @override
    def backward_macs(self, wanted: Wanted, *types: TensorType) -> int:
        x, memory, _ = types if len(types) == 3 else (types[0], types[0], types[1])
        n, length, width = x.shape
        inward = any(name.startswith("in_proj") for name in wanted.weights)
        of_x, of_memory = wanted.inputs[0], wanted.inputs[-1]
        of_query, of_keys = inward or of_x, inward or of_memory
        ours, others = n * length * width * width, n * memory.shape[1] * width * width
        macs = ours * (("out_proj.weight" in wanted.weights) + (of_query or of_keys))
        macs += (ours + 2 * others) * ("in_proj_weight" in wanted.weights) + ours * of_x + 2 * others * of_memory
        products = 2 * of_keys + of_query + (of_query or of_keys)  # of value and key, query, and the scores
        return macs + products * n * length * memory.shape[1] * width

    @override
    def parameters(self, x: TensorType, memory: TensorType | None = None) -> dict[str, ParamSpec]:
        width = x.shape[-1]
        inward = {"in_proj_weight": ParamSpec((3 * width, width), Glorot(width, 3 * width), decays=True)}
        if not self.bias:
            return inward | _linear("out_proj", width, width, bias=False)
        outward = _linear("out_proj", width, width, bias=True)
        outward["out_proj.bias"] = learned(width, init=0.0)
        return inward | {"in_proj_bias": learned(3 * width, init=0.0)} | outward

    @override
    def kernels(self, tape: "Tape", x: "Tensor", memory: "Tensor | None" = None) -> "Tensor":
        weights, width = tape.weights, x.shape[-1]
        weight, bias = weights["in_proj_weight"], weights.get("in_proj_bias")
        if memory is None:
            query, key, value = tape.split(tape.linear(x, weight, bias), 2, (width,) * 3)
        else:
            first = None if bias is None else tape.part(bias, 0, width)
            rest = None if bias is None else tape.part(bias, 0, 2 * width)
            query = tape.linear(x, tape.part(weight, 0, width), first)
            key, value = tape.split(tape.linear(memory, tape.part(weight, 0, 2 * width), rest), 2, (width,) * 2)
        heads = tape.attention(*(self._heads(tape, y) for y in (query, key, value)), causal=self.causal,
                               dropout=self.dropout)
        y = tape.reshape(tape.transpose(heads, 1, 2), x.shape)  # the heads stay until the end, as in the module
        return tape.linear(y, weights["out_proj.weight"], weights.get("out_proj.bias"))

    def _heads(self, tape: "Tape", x: "Tensor") -> "Tensor":
        """(N, L, E) -> (N, heads, L, E / heads)."""
        n, length, width = x.shape
        return tape.transpose(tape.reshape(x, (n, length, self.num_heads, width // self.num_heads)), 1, 2)

    @override
    def reach(self, *types: TensorType) -> tuple[Reach, ...]:
        return tuple([same(3, [1, 2]) for _ in types[:-1]])

    @override
    def build(self, x: TensorType, memory: TensorType | None = None) -> "nn.Module":
        from archspec.attention import MultiHeadAttention as Module

        return Module(x.shape[-1], self.num_heads, bias=self.bias, dropout=self.dropout, causal=self.causal)


def _linear(name: str, width: int, outputs: int, *, bias: bool) -> dict[str, ParamSpec]:
    return {f"{name}.{key}": spec for key, spec in projection((outputs, width), outputs, bias=bias).items()}


@register_op
class WindowAttention(Op):
    """Attention in several heads within windows of an image, channels last (Liu et al. 2021, Swin, section 3.2).

    Each head adds a learned bias for each relative position of two places in a window. With a shift, the windows are
    moved by so many places, and places that are no neighbours in the image do not see each other. An image is padded
    with zeros to a multiple of the window. Where a window covers an axis, there is no shift along it. As
    `torchvision.models.swin_transformer.ShiftedWindowAttention`, with the same weights in the same order.
    Shapes: (N, H, W, C) -> the same.
    Cost: with the padded H', W' and windows of M places: N*H'*W'*(4*C*C + 2*M*C) MACs; per score and head 5
        elementwise FLOPs; 4*C*C + 4*C parameters and (2*window_h - 1)*(2*window_w - 1)*num_heads in the table; M*M
        buffers.
    Errors: ShapeError if the input is no image, or if num_heads does not divide C.
    """

    op = "window_attention"
    torch_name = "WindowAttention"
    aliases = ("shifted_window_attention", "swin_attention")
    traits = (KeepsLayout(),)

    num_heads: AffectsNothing[PositiveInt] = Field(description="number of heads, which divides the channels")
    window_size: AffectsNothing[PositivePair] = Field(description="size of a window, an integer or [height, width]")
    shift_size: AffectsNothing[NonNegativePair] = Field(
        (0, 0), description="by how much the windows are moved, an integer or [height, width]; usually half a window"
    )
    bias: AffectsNothing[bool] = Field(True, description="add a learned bias in each projection")

    @field_validator("shift_size")
    @classmethod
    def _within_the_window(cls, shift: tuple[int, int], info: ValidationInfo) -> tuple[int, int]:
        window = info.data.get("window_size")
        if window is not None and any(s >= w for s, w in zip(shift, window, strict=True)):
            raise clash(f"shift_size ({pair_text(shift)}) must be smaller than window_size ({pair_text(window)})")
        return shift

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        if x.ndim != 4:
            raise ShapeError(
                f"needs an image (height, width, channels), got {plural(x.ndim - 1, 'dimension')}"
            )
        _check_heads(self.num_heads, x)
        return (x,)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        n, *sizes, channels = x.shape
        padded = [-(-size // window) * window for size, window in zip(sizes, self.window_size, strict=True)]
        places, window = n * prod(padded), prod(self.window_size)
        macs = places * (4 * channels * channels + 2 * window * channels)
        return Cost(macs=macs, elementwise_flops=5 * places * window * self.num_heads)

    @override
    def backward_macs(self, wanted: Wanted, x: TensorType, y: TensorType) -> int:
        n, *sizes, channels = x.shape
        padded = [-(-size // window) * window for size, window in zip(sizes, self.window_size, strict=True)]
        (of_x,) = wanted.inputs
        inward = of_x or not wanted.weights.isdisjoint(("qkv.weight", "qkv.bias"))
        of_scores = inward or "relative_position_bias_table" in wanted.weights
        projections = ("proj.weight" in wanted.weights) + of_scores + 3 * ("qkv.weight" in wanted.weights) + 3 * of_x
        products = of_scores + 3 * inward  # of the scores; of query, key and value
        return n * prod(padded) * channels * (channels * projections + prod(self.window_size) * products)

    @override
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        channels, places = x.shape[-1], prod(self.window_size)
        distances = prod(2 * size - 1 for size in self.window_size)
        table = learned(distances, self.num_heads, init=TruncatedNormal(0.02))
        index = buffer(places * places, init=Computed(), dtype="int64")
        return {
            "relative_position_bias_table": table, "relative_position_index": index,
            **_linear("qkv", channels, 3 * channels, bias=self.bias),
            **_linear("proj", channels, channels, bias=self.bias),
        }

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        before, (n, *sizes, channels) = x.shape, x.shape
        padded = [-(-size // window) * window for size, window in zip(sizes, self.window_size, strict=True)]
        (rows, columns), (vertical, horizontal) = self.window_size, self._windows(sizes)
        windows = zip(self.shift_size, self.window_size, padded, strict=True)
        shifts = [shift if size > window else 0 for shift, window, size in windows]
        x = tape.rolled(tape.zero_padded(x, (n, *padded, channels)), [-shift for shift in shifts], [1, 2])
        x = tape.transpose(tape.reshape(x, (n, vertical, rows, horizontal, columns, channels)), 2, 3)
        x = tape.reshape(x, (n, vertical * horizontal, rows * columns, channels))
        x = self._attend(tape, x, self._bias(tape, vertical * horizontal, shifted=any(shifts)))
        x = tape.transpose(tape.reshape(x, (n, vertical, horizontal, rows, columns, channels)), 2, 3)
        x = tape.rolled(tape.reshape(x, (n, *padded, channels)), shifts, [1, 2])
        return tape.part(tape.part(x, 1, before[1]), 2, before[2])

    def _windows(self, sizes: "Sequence[int]") -> tuple[int, ...]:
        """How many windows there are along height and width."""
        return tuple([-(-size // window) for size, window in zip(sizes, self.window_size, strict=True)])

    def _bias(self, tape: "Tape", windows: int, *, shifted: bool) -> "Tensor":
        """What is added to the scores: (windows or 1, heads, places, places)."""
        places, weights = prod(self.window_size), tape.weights
        table = tape.rows(weights["relative_position_bias_table"], weights["relative_position_index"])
        bias = tape.permute(tape.reshape(table, (places, places, self.num_heads)), (2, 0, 1))
        bias = tape.reshape(bias, (1, *bias.shape))
        if not shifted:
            return bias
        apart = tape.new((windows, 1, places, places), "bool")  # places that are no neighbours in the image
        factors = tape.new(apart.shape, "float32")
        tape.launch("mul", (apart,), (factors,), flops=factors.numel)
        return tape.add(bias, factors, "sub")

    def _attend(self, tape: "Tape", x: "Tensor", bias: "Tensor") -> "Tensor":
        """Attention within each window: (N, windows, places, C) -> the same."""
        n, windows, places, channels = x.shape
        weights, heads = tape.weights, (3, self.num_heads, channels // self.num_heads)
        qkv = tape.linear(x, weights["qkv.weight"], weights.get("qkv.bias"))
        qkv = tape.permute(tape.reshape(qkv, (n, windows, places, *heads)), (3, 0, 1, 4, 2, 5))
        query, key, value = (tape.select(qkv, 0) for _ in range(3))
        y = tape.attention(query, key, value, tape.cast(bias, qkv.dtype))
        y = tape.reshape(tape.transpose(y, 2, 3), (n, windows, places, channels))
        return tape.linear(y, weights["proj.weight"], weights.get("proj.bias"))

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        each = []
        for size, window, shift in zip(x.shape[1:3], self.window_size, self.shift_size, strict=True):
            each.append(blocks(window, shift if window < size else 0))
        return (Reach((None, (1, each[0]), (2, each[1]), None)),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.attention import WindowAttention as Module

        return Module(x.shape[-1], self.num_heads, self.window_size, self.shift_size, bias=self.bias)
