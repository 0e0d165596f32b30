"""Ops that drop values at random while training, and do nothing in evaluation."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field
from typing_extensions import override

from archspec.ops.base import Op, Probability, register_op
from archspec.ops.traits import AffectsNothing, Affine, Drops, Elementwise, Stochastic
from archspec.types import TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


@register_op
class Dropout(Op):
    """Zero each element with probability p while training, the rest times 1/(1-p) (Srivastava et al. 2014).

    Shapes: any -> the same.
    Cost: none (it is the identity in evaluation).
    Errors: none.
    """

    op = "dropout"
    torch_name = "Dropout"
    traits = (Elementwise(), Affine(), Drops())
    main = "p"

    p: AffectsNothing[Probability] = Field(0.5, description="probability of an element to be zeroed")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (x,)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.dropout(x, self.p)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.Dropout(self.p)


@register_op
class Dropout2d(Op):
    """Zero whole channels with probability p while training (Tompson et al. 2015, section 3.2).

    Shapes: (N, C, H, W) -> the same.
    Cost: none (it is the identity in evaluation).
    Errors: none beyond the input's rank.
    """

    op = "dropout2d"
    torch_name = "Dropout2d"
    traits = (Elementwise(), Affine(), Drops())
    main = "p"
    ndim = 4

    p: AffectsNothing[Probability] = Field(0.5, description="probability of a channel to be zeroed")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (x,)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.channel_dropout(x, self.p)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.Dropout2d(self.p)


@register_op
class StochasticDepth(Op):
    """Zero a residual branch with probability p while training (Huang et al. 2016, section 3).

    Shapes: any -> the same.
    Cost: none (it is the identity in evaluation).
    Errors: none.
    """

    op = "stochastic_depth"
    torch_name = "StochasticDepth"
    aliases = ("drop_path", "droppath")
    traits = (Elementwise(), Affine(), Stochastic())
    main = "p"

    p: AffectsNothing[Probability] = Field(description="probability of the branch to be zeroed")
    mode: AffectsNothing[Literal["row", "batch"]] = Field(
        "row", description="draw for each sample, or once for the batch"
    )

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (x,)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.stochastic_depth(x, self.p, x.shape[0] if self.mode == "row" else 1)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import StochasticDepth as Module

        return Module(self.p, self.mode)
