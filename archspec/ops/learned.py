"""A learned tensor that no input changes, such as a class token or position embeddings."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from typing_extensions import override

from archspec.ops.base import Op, register_op
from archspec.ops.fields import int_list, int_list_schema, refuse
from archspec.ops.parameters import Init, Normal, ParamSpec, TruncatedNormal, learned
from archspec.ops.reach import Reach
from archspec.ops.traits import AffectsNothing, GivesShape
from archspec.types import ANY, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor

_NUMBERS = {"zeros": 0.0, "ones": 1.0}
_RULES: dict[str, Callable[[float], Init]] = {"normal": Normal, "truncated_normal": TruncatedNormal}
Start = str | tuple[str, float]  # of `_NUMBERS`, or of `_RULES` with its standard deviation


def _start(value: Any) -> Any:
    if isinstance(value, str) and value in _NUMBERS:
        return value
    pair = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else value
    if isinstance(pair, tuple) and len(pair) == 2 and pair[0] in _RULES:
        rule, std = pair
        if isinstance(std, (int, float)) and not isinstance(std, bool) and 0 < std < float("inf"):
            return rule, float(std)
        raise refuse(f"must be {{{rule}: std}} with a positive number as the standard deviation")
    name = str(pair[0] if isinstance(pair, tuple) else pair).strip("_").replace("trunc_", "truncated_")  # PyTorch's
    if name in _RULES:
        raise refuse(f"must be {{{name}: std}}, with a standard deviation such as 0.02")
    raise refuse("must be zeros, ones, {normal: std} or {truncated_normal: std}", choices=tuple(_NUMBERS))


def _as_written(value: Start) -> Any:
    return value if isinstance(value, str) else {value[0]: value[1]}


def _start_schema() -> dict[str, Any]:
    std = {"type": "number", "exclusiveMinimum": 0}
    forms = [{"type": "object", "properties": {rule: std}, "required": [rule], "additionalProperties": False}
             for rule in _RULES]
    return {"anyOf": [{"enum": list(_NUMBERS)}, *forms]}


Shape = Annotated[
    tuple[int, ...],
    BeforeValidator(int_list(1, "a positive integer or a list of them, without the batch", bare=True)),
    int_list_schema(1, bare=True),
]
StartField = Annotated[
    Start, BeforeValidator(_start), PlainSerializer(_as_written, return_type=Any), WithJsonSchema(_start_schema()),
]


@register_op
class Parameter(Op):
    """A learned tensor, the same for every sample: the class token of a ViT (Dosovitskiy et al. 2021, section 3.1).

    The input only gives the size of the batch. The tensor has no batch dimension: it is expanded to the batch, not
    copied. Weight decay applies to it unless it is a vector and the recipe has `decay_norm_and_bias: false`. The
    recipe's `init` does not change it. A truncated normal is cut off at ±2, as by `torch.nn.init.trunc_normal_`.

    Shapes: (N, …) -> (N, *shape), in float32.
    Cost: none.
    Errors: none.
    """

    op = "parameter"
    torch_name = "Learned"
    aliases = ("learned", "pos_embed", "position_embedding", "cls_token", "class_token")
    likely = "shape"
    dtypes = ANY
    traits = (GivesShape("shape"),)

    shape: Shape = Field(description="shape of the tensor, without the batch")
    init: AffectsNothing[StartField] = Field(
        examples=["zeros"],
        description="how it starts: `zeros`, `ones`, {normal: std} or {truncated_normal: std} with mean 0"
    )

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (TensorType((x.shape[0], *self.shape)),)

    @override
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        init = _NUMBERS[self.init] if isinstance(self.init, str) else _RULES[self.init[0]](self.init[1])
        return {"value": learned(*self.shape, init=init, decays=len(self.shape) > 1)}

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        value = tape.weights["value"]
        return tape.expand(tape.reshape(value, (1, *value.shape)), (x.shape[0], *value.shape))

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        return ()  # the value of the input does not matter

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import Learned

        return Learned(self.shape, *([self.init] if isinstance(self.init, str) else self.init))
