"""Normalisation of each sample on its own, and the learned per-channel factor."""

from math import prod
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field
from typing_extensions import override

from archspec.diagnostics import plural
from archspec.diagnostics.hints import RemoveLayer, set_to
from archspec.ops.axes import axis
from archspec.ops.base import Op, PositiveInt, register_op
from archspec.ops.batch_norm import norm_parameters
from archspec.ops.fields import Dim, FiniteFloat, NonNegativeFloat, int_list, int_list_schema, set_to_divisor
from archspec.ops.parameters import ParamSpec, learned
from archspec.ops.reach import Reach, same
from archspec.ops.traits import AffectsNothing, Affine, Elementwise, KeepsLayout, Normalises
from archspec.text import shape_text
from archspec.types import Cost, ShapeError, TensorType, is_unknown

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


NormalizedShape = Annotated[
    tuple[int, ...],
    BeforeValidator(int_list(1, "a positive integer or a list of them", bare=True)),
    int_list_schema(1, bare=True),
]


def wider(x: TensorType, remedy: str) -> str:
    """The remedy of a norm over one value, unless a sample has no other."""
    return RemoveLayer("remove it") if prod(x.shape[1:]) == 1 else remedy


@register_op
class LayerNorm(Op):
    """Normalise each sample over its last dimensions (Ba et al. 2016, section 3).

    Shapes: (N, …, *normalized_shape) -> the same.
    Cost: per element 1 elementwise FLOP for the mean, 2 for the variance, 2 to normalise, and 1 each for
        factor and offset; as many parameters as normalized_shape has elements, twice with bias.
    Errors: ShapeError if the input does not end in normalized_shape, if that would reach the batch, or if it is one
        value, which has no variance.
    """

    op = "layer_norm"
    torch_name = "LayerNorm"
    aliases = ("ln",)
    traits = (Normalises(), KeepsLayout())
    main = "normalized_shape"

    normalized_shape: AffectsNothing[NormalizedShape | None] = Field(
        None, description="the last dimensions, over which the mean is taken; by default the last one"
    )
    eps: AffectsNothing[NonNegativeFloat] = Field(1e-5, description="added to the variance")
    elementwise_affine: AffectsNothing[bool] = Field(True, description="learn a factor per element of normalized_shape")
    bias: AffectsNothing[bool] = Field(True, description="learn an offset too, if elementwise_affine")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        if x.ndim < 2:
            raise ShapeError("needs at least a vector (features), got a single number")
        wanted = self.normalized_shape or ()
        start = x.ndim - len(wanted)
        hint: str | None = None if is_unknown(x.shape[-1]) else set_to("normalized_shape", x.shape[-1])
        sample = f"a sample {shape_text(x.shape[1:])}"
        if start < 1:
            rule = f"normalized_shape has {len(wanted)} dims, {sample} only {x.ndim - 1}"
            raise ShapeError(rule, field="normalized_shape", hint=hint, partial=x)
        if any(a != b for a, b in zip(x.shape[start:], wanted, strict=True)):
            rule = f"{sample} does not end in normalized_shape {list(wanted)}"
            raise ShapeError(rule, field="normalized_shape", hint=hint, partial=x)
        if prod(self._normalized(x)) == 1:
            hint = wider(x, set_to("normalized_shape", list(x.shape[1:])))
            raise ShapeError("one value has no variance", hint=hint, partial=x)
        return (x,)

    def _normalized(self, x: TensorType) -> tuple[int, ...]:
        return self.normalized_shape or x.shape[-1:]

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel * (5 + len(self.parameters(x))))

    @override
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        shape = self._normalized(x)
        factor = {"weight": learned(*shape, init=1.0)} if self.elementwise_affine else {}
        return factor | ({"bias": learned(*shape, init=0.0)} if factor and self.bias else {})

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        over = len(self.normalized_shape or (1,))
        return tape.layer_norm(x, tape.weights.get("weight"), tape.weights.get("bias"), over)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        return (same(x.ndim, range(x.ndim - len(self._normalized(x)), x.ndim)),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.LayerNorm(self._normalized(x), self.eps, self.elementwise_affine, self.bias)


@register_op
class GroupNorm(Op):
    """Normalise each sample over groups of its channels (Wu & He 2018, section 3).

    Shapes: (N, C, …) -> the same.
    Cost: per element 1 elementwise FLOP for the mean, 2 for the variance, 2 to normalise, 2 if affine;
        2*C parameters if affine.
    Errors: ShapeError if num_groups does not divide C, or if a group is one value, which has no variance.
    """

    op = "group_norm"
    torch_name = "GroupNorm"
    aliases = ("gn",)
    traits = (Normalises(), KeepsLayout())
    main = "num_groups"

    num_groups: AffectsNothing[PositiveInt] = Field(description="number of groups that the channels are split into")
    eps: AffectsNothing[NonNegativeFloat] = Field(1e-5, description="added to the variance")
    affine: AffectsNothing[bool] = Field(True, description="learn a factor and an offset per channel")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        if x.ndim < 2:
            raise ShapeError("needs at least channels, got a single number")
        channels = x.shape[1]
        if channels % self.num_groups:
            most = channels - 1 if prod(x.shape[2:]) == 1 else channels  # one value per group has no variance
            raise ShapeError(
                f"channels ({channels}) are not divisible by num_groups ({self.num_groups})",
                field="num_groups", hint=set_to_divisor("num_groups", self.num_groups, channels, most=most),
                partial=x,
            )
        if prod((channels // self.num_groups, *x.shape[2:])) == 1:
            raise ShapeError("one value per group has no variance", partial=x, hint=wider(x, set_to("num_groups", 1)))
        return (x,)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel * (5 + 2 * self.affine))

    @override
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        return norm_parameters(x.shape[1], affine=self.affine, running=False)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.group_norm(x, tape.weights.get("weight"), tape.weights.get("bias"), self.num_groups)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        return (same(x.ndim, range(1, x.ndim)),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.GroupNorm(self.num_groups, x.shape[1], self.eps, self.affine)


@register_op
class LocalResponseNorm(Op):
    """Divide each element by a power of the mean square of its neighbours in `size` channels (Krizhevsky et al. 2012).

    y = x / (k + alpha * mean)**beta. The paper (section 3.3) has a sum in place of the mean: its alpha is
    `size` times smaller than PyTorch's, which this one is.
    Shapes: (N, C, L, …) -> the same.
    Cost: per element `size` elementwise FLOPs for the mean, 1 for the square, 2 for factor and offset, 2 for
        power and division.
    Errors: ShapeError if the input has no dimension besides the channels.
    """

    op = "local_response_norm"
    torch_name = "LocalResponseNorm"
    aliases = ("lrn",)
    traits = (KeepsLayout(),)
    main = "size"

    size: AffectsNothing[PositiveInt] = Field(description="number of neighbouring channels, the element's own included")
    alpha: AffectsNothing[FiniteFloat] = Field(1e-4, description="factor of the mean square")
    beta: AffectsNothing[FiniteFloat] = Field(0.75, description="exponent")
    k: AffectsNothing[FiniteFloat] = Field(1.0, description="added to the mean square")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        if x.ndim < 3:
            raise ShapeError(f"needs channels and positions, got {plural(x.ndim - 1, 'dimension')}",
                             hint="put it before `flatten`", partial=x)
        return (x,)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel * (self.size + 5))

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.local_response_norm(x, self.size)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        return (same(x.ndim, [1]),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        if x.ndim == 5:
            from archspec.nn import VolumeResponseNorm

            return VolumeResponseNorm(self.size, self.alpha, self.beta, self.k)
        return nn.LocalResponseNorm(self.size, self.alpha, self.beta, self.k)


@register_op
class LayerScale(Op):
    """A learned factor per channel, small at the start (Touvron et al. 2021, section 2).

    Shapes: (N, C, …) -> the same. The weight is (C, 1, …, 1), which broadcasts against the dims after `dim`:
        (C, 1, 1) for NCHW, (C,) for `dim: -1`.
    Cost: one elementwise FLOP per element; C parameters.
    Errors: ShapeError if there is no such dim, or if it is the batch.
    """

    op = "layer_scale"
    torch_name = "LayerScale"
    traits = (Elementwise(), Affine())
    main = "init_value"

    init_value: AffectsNothing[FiniteFloat] = Field(1e-6, description="value of every factor at the start")
    dim: AffectsNothing[Dim] = Field(1, description="dim of the channels, with the batch as 0; -1 for channels last")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        axis(self.dim, x)
        return (x,)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel)

    @override
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        return {"weight": learned(*self._shape(x), init=self.init_value)}

    def _shape(self, x: TensorType) -> tuple[int, ...]:
        return (x.shape[self.dim], *[1] * (x.ndim - 1 - self.dim % x.ndim))

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.mul(tape.weights["weight"], x)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import LayerScale as Module

        return Module(self._shape(x), self.init_value)
