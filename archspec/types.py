"""The types that ops use: tensors without data, costs, and the error of a shape rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Final, cast

DTYPE_BYTES: Final = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int8": 1, "uint8": 1, "bool": 1,
}
FLOATS: Final = frozenset(("float64", "float32", "float16", "bfloat16"))
INTEGERS: Final = frozenset(("int64", "int32", "int8", "uint8"))
ANY: Final = FLOATS | INTEGERS
UNKNOWN_DTYPE: Final = "?"  # unknown after an error; every op accepts it


class Dim:
    """A dimension that is not a known integer. Unsupported operations (`/`, `gcd`, `range`) raise TypeError."""

    __slots__ = ()


class UnknownDim(Dim):
    """A dimension that is unknown because of an error.

    Integer arithmetic with it gives UNKNOWN, and every comparison is false. So a rule of the form
    `if broken: raise ShapeError` does not report what is unknown, and each mistake is reported once.
    Write a rule so that its *true* branch is the error, never as `if not (a == b)`.

    `max`, `min` and `sorted` only compare, so they silently ignore it: check `is_unknown` first.
    """

    __slots__ = ()

    def _absorb(self, other: object) -> UnknownDim:
        return self if isinstance(other, (int, Dim)) else NotImplemented

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __rfloordiv__ = _absorb
    __mod__ = __rmod__ = __pow__ = __rpow__ = _absorb

    def _same(self) -> UnknownDim:
        return self

    __neg__ = __pos__ = __abs__ = _same

    def _false(self, _: object) -> bool:
        return False

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _false

    def __bool__(self) -> bool:
        return False

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "?"

    def __reduce__(self) -> str:
        return "UNKNOWN"  # there is one


@dataclass(frozen=True, slots=True)
class BatchDim(Dim):
    """A multiple of the batch size N, which is not part of a network.

    It can be multiplied by an integer, divided by a divisor of the multiple, and added to another BatchDim. It has no
    order and equals no integer, so a rule that depends on the batch size raises an error.
    """

    times: int = 1

    def __mul__(self, factor: object) -> BatchDim:
        return BatchDim(self.times * factor) if isinstance(factor, int) else NotImplemented

    __rmul__ = __mul__

    def __add__(self, other: object) -> BatchDim:
        if isinstance(other, BatchDim):
            return BatchDim(self.times + other.times)
        return self if isinstance(other, int) and other == 0 else NotImplemented  # 0: where `sum` starts

    __radd__ = __add__

    def __floordiv__(self, divisor: object) -> BatchDim:
        if not isinstance(divisor, int) or not divisor or self.times % divisor:
            return NotImplemented
        return BatchDim(self.times // divisor)

    def __mod__(self, divisor: object) -> int:
        return 0 if isinstance(divisor, int) and divisor and not self.times % divisor else NotImplemented

    def at(self, batch_size: int) -> int:
        """Its value for a batch of `batch_size` samples."""
        return self.times * batch_size

    def __repr__(self) -> str:
        return "N" if self.times == 1 else f"{self.times}N"


UNKNOWN: Final = cast("int", UnknownDim())  # to a type checker a dimension is an int
BATCH: Final = cast("int", BatchDim())  # N, the first dimension of every activation


def is_unknown(dim: object) -> bool:
    """Whether this dimension is unknown because of an error."""
    return isinstance(dim, UnknownDim)


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape and dtype of an activation. `shape` counts the batch: (N, C, H, W) or (N, features), where N is BATCH.

    below: of integers, which are 0 to below - 1; None where no limit is known.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    below: int | None = None

    def reshaped(self, *shape: int) -> TensorType:
        """The same elements, or some of them, in another shape."""
        return TensorType(shape, self.dtype, self.below)

    @property
    def ndim(self) -> int:
        """Number of dimensions, including the batch."""
        return len(self.shape)

    @property
    def known(self) -> bool:
        """Whether every dimension is known."""
        return UnknownDim not in map(type, self.shape)

    @property
    def numel(self) -> int:
        """Number of elements, including the batch."""
        shape = self.shape
        return shape[0] * prod(shape[1:]) if shape else 1

    @property
    def nbytes(self) -> int:
        """Size in bytes of a dense tensor."""
        return self.numel * DTYPE_BYTES[self.dtype]

    def at(self, batch_size: int) -> TensorType:
        """The type for a batch of `batch_size` samples, which is the source of all figures of a batch."""
        shape: tuple[object, ...] = self.shape
        if not shape or not isinstance(first := shape[0], BatchDim):
            return self
        return TensorType((first.times * batch_size, *self.shape[1:]), self.dtype, self.below)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a node.

    macs: multiply-adds of convolutions and linear products; bias not counted.
    params: number of learned parameters. buffers: elements of buffers (running mean and variance, counters).
    elementwise_flops: an estimate of the floating-point operations that are not MACs (activation, norm, pool, add).
    """

    macs: int = 0
    params: int = 0
    buffers: int = 0
    elementwise_flops: int = 0

    @property
    def without_weights(self) -> Cost:
        """The cost of another run with weights that are already counted."""
        return Cost(macs=self.macs, elementwise_flops=self.elementwise_flops)

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.macs + other.macs,
            self.params + other.params,
            self.buffers + other.buffers,
            self.elementwise_flops + other.elementwise_flops,
        )


class ShapeError(Exception):
    """An op does not accept its input. The pass that runs the op adds the place.

    code: SHAPE101 a window does not fit; SHAPE102 rank, channels or size do not suit the op;
    SHAPE103 inputs of add, sub, mul or div disagree; SHAPE104 inputs of concat or stack disagree;
    SHAPE105 integers where the op needs floating-point numbers, or the reverse;
    SHAPE107 inputs of a matrix product or attention disagree.
    field: the op's field that the rule is about. inputs: of several inputs those that disagree, from 0; the message
    then may have `{k}` for the name of input k.
    hint: advice, or a `Remedy` (archspec.diagnostics.hints), which can be applied.
    partial: the output as far as it is known despite the error (unknown dims are UNKNOWN).
    """

    def __init__(
        self, message: str, *, hint: str | None = None, code: str = "SHAPE102", partial: TensorType | None = None,
        field: str | None = None, inputs: tuple[int, ...] = (),
    ) -> None:
        super().__init__(message)
        self.template = message
        self.hint = hint
        self.code = code
        self.partial = partial
        self.field = field
        self.inputs = inputs

    @property
    def message(self) -> str:
        """The message with the inputs' numbers, from 1."""
        return self.named([str(k + 1) for k in range(max(self.inputs, default=-1) + 1)])

    def named(self, names: Sequence[str]) -> str:
        """The message with these names of the inputs."""
        return self.template.format(*names) if self.inputs else self.template

    def __str__(self) -> str:
        return self.message


def channels_first(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """(C, H, W) if an image's shape without its batch is clearly (H, W, C), as in TensorFlow; otherwise None."""
    if len(shape) != 3 or shape[2] not in (1, 3) or shape[0] <= 4 or shape[1] <= 4:
        return None
    return shape[2], shape[0], shape[1]
