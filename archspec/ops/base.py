"""What every op is: one frozen model with its fields, shape rule, cost rule and torch builder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from archspec.diagnostics.hints import PutBefore
from archspec.tensors import UNKNOWN, Cost, ShapeError, Tensor

if TYPE_CHECKING:
    from torch import nn

MAX_INT = 2**63 - 1  # torch's largest size; it also keeps every number in a message short


class Operation(BaseModel):
    """What the graph knows of an op: its name, and how to infer, price and build it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)

    op: ClassVar[str]
    main: ClassVar[str | None] = None  # the field that a plain value sets: `linear: 10`
    likely: ClassVar[str | None] = None  # where there is no `main`: the field that a plain value probably was meant for

    @abstractmethod
    def outputs(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The output for these inputs, or ShapeError."""

    @abstractmethod
    def price(self, inputs: tuple[Tensor, ...], output: Tensor) -> Cost:
        """What one forward pass of it costs."""

    @abstractmethod
    def module(self, inputs: tuple[Tensor, ...]) -> nn.Module:
        """A new torch module that does it; the only method that imports torch."""


class Op(Operation):
    """An op of one input. A subclass gives `infer`, and where they are not trivial `cost` and `build`."""

    ndim: ClassVar[int | None] = None  # rank of the input (batch included) if it is fixed

    @abstractmethod
    def infer(self, x: Tensor) -> Tensor:
        """The output's shape, or ShapeError."""

    def cost(self, x: Tensor, y: Tensor) -> Cost:
        """What one forward pass costs; nothing unless a subclass says so."""
        return Cost()

    @abstractmethod
    def build(self, x: Tensor) -> nn.Module:
        """The torch module for an input of this shape."""

    def outputs(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """See Operation."""
        (x,) = inputs
        if self.ndim is not None and x.ndim != self.ndim:
            wanted = {2: "a vector (features)", 4: "an image (channels, height, width)"}[self.ndim]
            hint = PutBefore("flatten") if self.ndim == 2 else None
            raise ShapeError(f"needs {wanted}, got {x.ndim - 1} dimension{'s' * (x.ndim != 2)}", hint=hint)
        return bounded(self.infer(x))

    def price(self, inputs: tuple[Tensor, ...], output: Tensor) -> Cost:
        """See Operation."""
        return self.cost(inputs[0], output)

    def module(self, inputs: tuple[Tensor, ...]) -> nn.Module:
        """See Operation."""
        return self.build(inputs[0])


class Merge(Operation):
    """An op that joins named branches into one output; its module takes a list of one tensor a branch."""


def bounded(x: Tensor) -> Tensor:
    """`x`, or ShapeError if a dimension is larger than any that torch can hold."""
    if any(d > MAX_INT for d in x.shape):
        partial = Tensor(tuple(UNKNOWN if d > MAX_INT else d for d in x.shape), x.dtype)
        raise ShapeError("a dimension of the output is larger than 2**63 - 1", partial=partial)
    return x


OPS: dict[str, type[Operation]] = {}
OpClass = TypeVar("OpClass", bound=type[Operation])


def register_op(cls: OpClass) -> OpClass:
    """Class decorator: make an op known to the language by its `op` name."""
    if cls.op in OPS:
        raise ValueError(f"op {cls.op!r} is registered twice")
    OPS[cls.op] = cls
    return cls


def _pair_of(low: int) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        pair = tuple(value) if isinstance(value, (list, tuple)) else (value, value)
        ints = [v for v in pair if isinstance(v, int) and not isinstance(v, bool) and low <= v <= MAX_INT]
        if len(pair) != 2 or len(ints) != 2:
            kind = "positive integer" if low else "non-negative integer"
            raise PydanticCustomError("pair", f"must be a {kind} or a pair [height, width] of them")
        return pair

    return check


def _pair_schema(low: int) -> dict[str, Any]:
    one = {"type": "integer", "minimum": low}
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 2, "maxItems": 2}]}


# (height, width); one number stands for both.
PositivePair = Annotated[tuple[int, int], BeforeValidator(_pair_of(1)), WithJsonSchema(_pair_schema(1))]
NonNegativePair = Annotated[tuple[int, int], BeforeValidator(_pair_of(0)), WithJsonSchema(_pair_schema(0))]
PositiveInt = Annotated[int, Field(ge=1, le=MAX_INT)]
NonNegativeInt = Annotated[int, Field(ge=0, le=MAX_INT)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
