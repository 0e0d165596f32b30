"""The syntax tree of an expression. Each node evaluates itself. Trees are cached, so nothing changes them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archspec.expressions import operations as ops
from archspec.expressions.functions import call
from archspec.expressions.values import UNKNOWN_VALUE, ExpressionError, Place, holds_unknown

Names = Mapping[str, Any]


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Node:
    """A part of an expression, and the place at which its errors are reported."""

    place: Place

    @abstractmethod
    def value(self, names: Names) -> Any:
        """Its value with these names. Raises ExpressionError."""


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Literal(Node):
    """A number, a text, true, false or null."""

    constant: Any

    def value(self, names: Names) -> Any:
        """See Node."""
        return self.constant


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Name(Node):
    """A name, which is already checked to be known."""

    name: str

    def value(self, names: Names) -> Any:
        """See Node."""
        return ops.known(names[self.name])


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class ListOf(Node):
    """`[a, b]`; unknown as a whole if an item is."""

    items: tuple[Node, ...]

    def value(self, names: Names) -> Any:
        """See Node."""
        made = self.place.sized([item.value(names) for item in self.items])
        return UNKNOWN_VALUE if holds_unknown(made) else made


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Sign(Node):
    """`-x` or `+x`."""

    sign: str
    operand: Node

    def value(self, names: Names) -> Any:
        """See Node."""
        return ops.negated(self.place, self.sign, self.operand.value(names))


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Not(Node):
    """`not x`."""

    operand: Node

    def value(self, names: Names) -> Any:
        """See Node."""
        truth = ops.truth(self.place, "not", self.operand.value(names))
        return truth if truth is UNKNOWN_VALUE else not truth


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Arithmetic(Node):
    """`first + x - y …`, signs of one precedence from left to right. It is one node, so a long sum is not deep."""

    first: Node
    rest: tuple[tuple[Place, str, Node], ...]

    def value(self, names: Names) -> Any:
        """See Node."""
        left = self.first.value(names)
        for place, sign, node in self.rest:
            left = ops.arithmetic(place, sign, left, node.value(names))
        return left


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Comparison(Node):
    """`a < b <= c`: whether each pair holds. As in Python, evaluation ends at the first pair that does not."""

    first: Node
    rest: tuple[tuple[Place, str, Node], ...]

    def value(self, names: Names) -> Any:
        """See Node."""
        left = self.first.value(names)
        result: Any = True
        for place, sign, node in self.rest:
            try:
                right = node.value(names)
                pair = ops.compare(place, sign, left, right)
            except ExpressionError:
                if result is UNKNOWN_VALUE:  # an earlier pair may have prevented this
                    return result
                raise
            if pair is False:
                return False
            result = pair if pair is UNKNOWN_VALUE else result
            left = right
        return result


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Junction(Node):
    """`a and b and …`, or `or`. Evaluation ends at the first operand that decides the result."""

    word: str
    operands: tuple[tuple[Place, Node], ...]

    def value(self, names: Names) -> Any:
        """See Node."""
        decides = self.word == "or"
        result: Any = not decides
        for place, node in self.operands:
            try:
                truth = ops.truth(place, self.word, node.value(names))
            except ExpressionError:
                if result is UNKNOWN_VALUE:  # an earlier operand may have prevented this
                    return result
                raise
            if truth is decides:
                return decides
            result = truth if truth is UNKNOWN_VALUE else result
        return result


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Conditional(Node):
    """`yes if condition else no`. The other branch is not evaluated."""

    condition: Node
    yes: Node
    no: Node

    def value(self, names: Names) -> Any:
        """See Node."""
        truth = ops.truth(self.place, "if", self.condition.value(names))
        if truth is UNKNOWN_VALUE:
            return truth
        return (self.yes if truth else self.no).value(names)


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Index(Node):
    """`base[index]`."""

    base: Node
    index: Node

    def value(self, names: Names) -> Any:
        """See Node."""
        return ops.item(self.place, self.base.value(names), self.index.value(names))


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Field(Node):
    """`base.name` or `base.0`."""

    base: Node
    name: str

    def value(self, names: Names) -> Any:
        """See Node."""
        return ops.field_of(self.place, self.base.value(names), self.name)


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Call(Node):
    """`function(arguments)`. The parser has checked its name and the number of arguments."""

    name: str
    arguments: tuple[Node, ...]

    def value(self, names: Names) -> Any:
        """See Node."""
        return call(self.place, self.name, [argument.value(names) for argument in self.arguments])
