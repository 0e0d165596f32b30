"""Ops on channels that come in ranks: sequences (1), images (2) and volumes (3), one class for all."""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Final, NamedTuple

from pydantic import BeforeValidator, WithJsonSchema
from pydantic.fields import FieldInfo
from typing_extensions import override

from archspec.diagnostics.hints import Remedy, WriteOp
from archspec.ops.base import OPS, Op
from archspec.ops.fields import int_list

_PAIR: Final = "[height, width]"  # in the description of a field, which is written for rank 2


class PerAxis(NamedTuple):
    """Marks a field that has an integer from `low` for each axis; one integer stands for all.

    each: so many integers for each axis. words: what the field takes besides. rule: of rank 2, what a value must be;
    by default `a positive integer or a pair [height, width] of them`.
    """

    low: int
    each: int = 1
    words: tuple[str, ...] = ()
    rule: str = ""

    def resolved(self, rank: int) -> Iterator[Any]:
        """The validator and the JSON Schema of such a field in a rank."""
        size = rank * self.each
        kind = "positive integer" if self.low else "non-negative integer"
        rule = _in_rank(self.rule or f"a {kind} or a pair {_PAIR} of them", rank)
        check = int_list(self.low, rule, size=size, bare=True, choices=self.words)
        yield BeforeValidator(self._or_word(check) if self.words else check)
        one = {"type": "integer", "minimum": self.low}
        forms: list[dict[str, Any]] = [one, {"type": "array", "items": one, "minItems": size, "maxItems": size}]
        yield WithJsonSchema({"anyOf": [*forms, {"enum": list(self.words)}] if self.words else forms})

    def _or_word(self, check: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The validator that also takes the words."""
        return lambda value: value if isinstance(value, str) and value in self.words else check(value)


Sizes = Annotated[tuple[int, ...], PerAxis(1)]
Margins = Annotated[tuple[int, ...], PerAxis(0)]


class Ranked(Op):
    """What an op has that comes in ranks. A subclass with a `rank` is the op of that rank.

    Its base class has the fields and rules; their descriptions are written for images. A default of one integer is
    repeated for each axis.
    """

    rank: ClassVar[int]  # how many dimensions follow the channels
    torch_name: ClassVar[str]  # of the class in torch.nn

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "rank" in vars(cls):
            if "ndim" not in vars(cls):
                cls.ndim = cls.rank + 2
            for field in cls.model_fields.values():
                _resolve(field, cls.rank)

    @override
    def for_rank(self, ndim: int) -> Remedy | None:
        name = f"{self.op[:-2]}{ndim - 2}d"
        return WriteOp(name) if name in OPS else None


def _resolve(field: FieldInfo, rank: int) -> None:
    """Make a field of all ranks one of this rank. Pydantic builds the validator later, from this."""
    mark = next((mark for mark in field.metadata if isinstance(mark, PerAxis)), None)
    if mark is not None:
        field.metadata = [m for m in field.metadata if m is not mark] + list(mark.resolved(rank))
        if isinstance(field.default, tuple):
            field.default = field.default * (rank * mark.each)
    field.description = _in_rank(field.description or "", rank)


def _in_rank(text: str, rank: int) -> str:
    """What a text about images says of another rank."""
    if rank == 1:
        return re.sub(r"(,| or)( a pair)? \[height, width\]( of them)?", "", text).replace(", top, bottom]", "]")
    if rank == 3:
        axes = "[depth, height, width]"
        text = text.replace(f"pair {_PAIR}", f"list {axes}").replace(_PAIR, axes)
        return text.replace("top, bottom]", "top, bottom, front, back]")
    return text


NonNegativePair = Annotated[tuple[int, int], *PerAxis(0).resolved(2)]  # (height, width); one number stands for both
