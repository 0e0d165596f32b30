"""What every op is: one frozen model with its fields, shape rule, cost rule and torch builder.

Files of ops have no `from __future__ import annotations`: pydantic would compile each annotation anew at every start.
"""

import inspect
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from archspec.diagnostics import plural
from archspec.diagnostics.hints import PutBefore, Remedy
from archspec.ops.parameters import ParamSpec
from archspec.ops.placed import Placed
from archspec.ops.reach import SAME, Reach, same, sliding
from archspec.ops.registry import Registry
from archspec.ops.traits import Affects, Affine, Convolves, Elementwise, Trait, Windowed
from archspec.plugins import Door, PluginError
from archspec.types import FLOATS, INTEGERS, UNKNOWN, UNKNOWN_DTYPE, Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor

TraitT = TypeVar("TraitT", bound=Trait)
_WANTED = {
    2: "a vector (features)", 3: "a sequence (channels, length)", 4: "an image (channels, height, width)",
    5: "a volume (channels, depth, height, width)",
}
MAX_INT = 2**63 - 1  # torch's largest size; it also keeps every number in a message short


class Wanted(NamedTuple):
    """Of which tensors of an op a training step computes the gradient.

    inputs: for each input, whether something before it learns. weights: the names of its parameters that learn.
    """

    inputs: tuple[bool, ...]
    weights: frozenset[str]


class Operation(Placed):
    """What the graph knows of an op: its name, and how to infer, price and build it.

    A subclass gives `infer`, `build` and, unless it is free, `cost`, with one argument for each input:
    `infer(self, x)`, `infer(self, *inputs)`, `infer(self, query, key, value)`.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)

    op: ClassVar[str]
    torch_name: ClassVar[str | None] = None  # of its module's class, in torch.nn or archspec's own; None: not stated
    main: ClassVar[str | None] = None  # the field that a plain value sets: `linear: 10`
    likely: ClassVar[str | None] = None  # where there is no `main`: the field that a plain value probably was meant for
    ndim: ClassVar[int | None] = None  # rank of every input (batch included) if it is fixed
    dtypes: ClassVar[frozenset[str]] = FLOATS  # what its inputs may be: FLOATS, INTEGERS or ANY
    aliases: ClassVar[tuple[str, ...]] = ()  # in lower case: what people write for it by mistake
    references: ClassVar[tuple[str, ...]] = ()  # fields that name values, as `from` does; these are further inputs
    traits: ClassVar[tuple[Trait, ...]] = ()  # what passes ask, see `archspec.ops.traits`

    @abstractmethod
    def infer(self, *inputs: Any, **_: Any) -> tuple[TensorType, ...]:
        """The types of the outputs for inputs of these types, or ShapeError. Callers use `infer_outputs`."""

    def cost(self, *types: Any, **_: Any) -> Cost:
        """What one forward pass costs, given the types of the inputs and then of the outputs."""
        return Cost()

    def backward_macs(self, wanted: Wanted, *types: Any) -> int:
        """The MACs of its gradients, given those that are wanted and the types of the inputs and then of the outputs.

        By default each gradient of an input, and that of the weights, is a product of the forward pass's size
        (Rumelhart et al. 1986). An op of several products, or whose products do not use all its inputs, overrides this.
        """
        macs = self.cost(*types).macs
        return gradient_macs(macs, wanted, self.parameters(*types[: len(wanted.inputs)])) if macs else 0

    def reach(self, *types: Any) -> tuple[Reach, ...] | None:
        """How the first output depends on each input, given the types of the inputs and then of the outputs.

        By default that of an element-wise op, or of windows; None where it is not known.
        """
        ndim = types[-1].ndim
        windowed = self.trait(Windowed)
        if windowed is not None:
            channels = None if self.trait(Convolves) is not None else (1, SAME)
            each = enumerate(windowed.windows(self), start=2)
            return (Reach((None, channels, *[(d, sliding(window)) for d, window in each])),)
        return (same(ndim),) if self.trait(Elementwise) is not None else None

    def parameters(self, *inputs: Any, **_: Any) -> dict[str, ParamSpec]:
        """The tensors of its module for inputs of these types, by their names there."""
        return {}

    def kernels(self, tape: "Tape", *inputs: Any, **_: Any) -> "Tensor | Sequence[Tensor]":
        """What its module runs, written on a tape (`archspec.execution`), whose functions give its outputs.

        tape: has its tensors in `tape.weights` and the types of its outputs in `tape.outputs`. inputs: tensors without
        data. Without this rule, memory and time of the op are estimates: all that it reads is kept for backward.
        """
        return tape.opaque(self.op, inputs, sum([y.numel for y in tape.outputs]))

    @abstractmethod
    def build(self, *inputs: Any, **_: Any) -> "nn.Module":
        """A new torch module for inputs of these types; the only method that imports torch.

        Of several inputs it takes one argument each, a `Merge` one list; of several outputs it gives a tuple.
        """

    def for_rank(self, ndim: int) -> Remedy | None:
        """The remedy where the input has `ndim` dimensions, which are not this op's but may be another's."""
        return None

    @classmethod
    def trait(cls, kind: type[TraitT]) -> TraitT | None:
        """The op's trait of this kind, or None."""
        return next((trait for trait in cls.traits if isinstance(trait, kind)), None)

    @classmethod
    def is_activation(cls) -> bool:
        """Whether it bends: a function of each element that is not affine."""
        return cls.trait(Elementwise) is not None and cls.trait(Affine) is None

    @classmethod
    def affects(cls, field: str) -> Affects | None:
        """What of the output's shape a field decides; None for all of it."""
        return next((mark for mark in cls.model_fields[field].metadata if isinstance(mark, Affects)), None)

    @classmethod
    def channels_field(cls) -> str | None:
        """The field that decides how many channels come out, and nothing else; None if there is none."""
        return next((name for name in cls.model_fields if cls.affects(name) is Affects.CHANNELS), None)

    @classmethod
    def documentation(cls) -> str:
        """Its docstring; where that says nothing of shapes, cost and errors, with what the class above it says."""
        text = inspect.cleandoc(cls.__doc__ or "")
        if "\nShapes: " not in text:
            above = (inspect.cleandoc(base.__doc__ or "").partition("\n\nShapes: ") for base in cls.__mro__[1:])
            text += next((f"\n\nShapes: {rules}" for _, found, rules in above if found), "")
        return text


Operation.__annotations__.clear()  # all are class variables, which pydantic would evaluate anew for each op


class Op(Operation):
    """An op of one input."""

    @abstractmethod
    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        """See Operation."""

    @abstractmethod
    def build(self, x: TensorType) -> "nn.Module":
        """See Operation."""


class Merge(Operation):
    """An op that joins named branches into one output; its module takes a list of one tensor a branch.

    roles: the names of its branches in the order of its inputs, where each has a part of its own; () for any names.
    optional: those of them that may be left out, which are the last. scales: with a number in place of branches, 1 for
    a product and -1 for a quotient, which `scale` computes; 0 for the others.
    """

    roles: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    scales: ClassVar[int] = 0


def infer_outputs(op: Operation, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    """The types that `op` gives for these inputs, or ShapeError: its own rule, and what holds for every op."""
    for k, x in enumerate(inputs):
        if x.dtype not in op.dtypes and x.dtype != UNKNOWN_DTYPE:
            raise _wrong_numbers(x, (k,) if len(inputs) > 1 else ())
        if op.ndim is not None and x.ndim != op.ndim:
            wanted = _WANTED.get(op.ndim, f"{op.ndim - 1} dimensions")
            hint = PutBefore("flatten") if op.ndim == 2 else op.for_rank(x.ndim)
            raise ShapeError(f"needs {wanted}, got {plural(x.ndim - 1, 'dimension')}", hint=hint)
    outputs = op.infer(*inputs)
    for y in outputs:
        for d in y.shape:
            if (d if d.__class__ is int else getattr(d, "times", 0)) > MAX_INT:
                raise _too_large(y)
    return outputs


def _wrong_numbers(x: TensorType, inputs: tuple[int, ...]) -> ShapeError:
    """The error of an input that has integers where the op needs floating-point numbers, or the reverse."""
    if x.dtype in INTEGERS:
        found = f"integers ({x.dtype})" if x.below is None else f"integers from 0 to {x.below - 1:,} ({x.dtype})"
        return ShapeError(
            f"needs floating-point numbers, got {found}", code="SHAPE105", inputs=inputs,
            hint="put an `embedding` before it, which gives a vector for each integer, or give the input no `dtype`",
        )
    return ShapeError(
        f"needs integers, got floating-point numbers ({x.dtype})", code="SHAPE105", inputs=inputs,
        hint="give the input integers: `{shape: […], dtype: int64, below: N}`",
    )


def _too_large(y: TensorType) -> ShapeError:
    shape = (UNKNOWN if d > MAX_INT else d for d in y.at(1).shape)
    partial = y.reshaped(*y.shape[:1], *list(shape)[1:])
    return ShapeError("a dimension of the output is larger than 2**63 - 1", partial=partial)


def gradient_macs(macs: int, wanted: Wanted, specs: Mapping[str, ParamSpec]) -> int:
    """The MACs of an op's gradients where each is a product of the forward pass's size, `macs`."""
    learns = any(len(specs[name].shape) > 1 for name in wanted.weights)  # a bias has only sums
    return macs * (sum(wanted.inputs) + learns)


def cost_of(op: Operation, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Cost:
    """What one forward pass of `op` costs, with the tensors that it keeps."""
    return with_tensors(op.cost(*inputs, *outputs), op.parameters(*inputs))


def with_tensors(own: Cost, specs: Mapping[str, ParamSpec]) -> Cost:
    """The cost of an op, with the tensors of its `parameters`."""
    if not specs:
        return own
    params = buffers = 0
    for spec in specs.values():
        if spec.learned:
            params += spec.numel
        else:
            buffers += spec.numel
    return Cost(own.macs, params, buffers, own.elementwise_flops)


OPS = Registry(__package__, Path(__file__).parent)
OpClass = TypeVar("OpClass", bound=type[Operation])
_NOT_OPS = ("sequential", "share", "name", "repeat", "when", "from")  # keys of a layer that mean something else


def register_op(cls: OpClass) -> OpClass:
    """Class decorator: make an op known to the language by its `op` name.

    Errors: ValueError if it is not a complete subclass of `Op` or `Merge`, or its name is taken.
    """
    name = getattr(cls, "op", None)
    if not (isinstance(cls, type) and issubclass(cls, Operation)):
        raise PluginError(f"`{getattr(cls, '__name__', cls)}` is not a subclass of archspec.ops.Op or Merge")
    if not isinstance(name, str) or not name.isidentifier() or name in _NOT_OPS:
        raise PluginError(f"the class `{cls.__name__}` needs a name: `op = \"my_op\"`"
                          if not isinstance(name, str) else f"`{name}` cannot be the name of an op")
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise PluginError(f"the op `{name}` does not define {' and '.join(f'`{method}`' for method in missing)}")
    OP_DOOR.add(name, cls)
    return cls


OP_DOOR = Door("op", "archspec.ops", OPS, register_op)


def _pair(value: Any) -> Any:
    pair = tuple(value) if isinstance(value, (list, tuple)) else (value, value)
    ints = [v for v in pair if isinstance(v, int) and not isinstance(v, bool) and 1 <= v <= MAX_INT]
    if len(pair) != 2 or len(ints) != 2:
        message = "must be a positive integer or a pair [height, width] of them"
        raise PydanticCustomError("pair", message, {"number": "int"})
    return pair


_ONE = {"type": "integer", "minimum": 1}
_PAIR_SCHEMA = {"anyOf": [_ONE, {"type": "array", "items": _ONE, "minItems": 2, "maxItems": 2}]}
# (height, width); one number stands for both.
PositivePair = Annotated[tuple[int, int], BeforeValidator(_pair), WithJsonSchema(_PAIR_SCHEMA)]
PositiveInt = Annotated[int, Field(ge=1, le=MAX_INT)]
NonNegativeInt = Annotated[int, Field(ge=0, le=MAX_INT)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
