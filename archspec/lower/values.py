"""What names mean while lowering: scopes, and the evaluation of `$name` and `$(…)` in any value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from archspec.diagnostics import Diagnostic
from archspec.expressions import UNKNOWN_VALUE, Expression, ExpressionError, evaluate, template
from archspec.lower.builder import Val
from archspec.source import BROKEN
from archspec.spec.syntax import At, Block, Errors, Library
from archspec.tensors import Tensor

PLAIN_NAME = re.compile(r"\$([A-Za-z_]\w*)\Z")


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a network may become: ops in all, bodies lowered (equal repeats count once), block nesting."""

    max_ops: int = 100_000
    max_lowered: int = 20_000
    max_nesting: int = 32


class ShapeView:
    """What `in` and `input` are in an expression: a shape's fields."""

    def __init__(self, tensor: Tensor | None) -> None:
        self.tensor = tensor

    def field(self, name: str) -> Any:
        """channels, height, width of an image; features of a vector; length and features of a sequence."""
        fields = {2: ("features",), 3: ("length", "features"), 4: ("channels", "height", "width")}
        known = ("channels", "height", "width", "features", "length")
        if name not in known:
            raise LookupError(f"`in` has no field `{name}`; it has {', '.join(known)}")
        if self.tensor is None:
            return UNKNOWN_VALUE
        names = fields.get(self.tensor.ndim, ())
        if name not in names:
            kind = {2: "a vector", 3: "a sequence", 4: "an image"}.get(self.tensor.ndim, "this shape")
            raise LookupError(f"{kind} has no {name}")
        return self.tensor.shape[1 + names.index(name)]


@dataclass(slots=True, eq=False)
class Bound:
    """A name's value as written, with the scope that gives it its meaning."""

    raw: Any
    at: At | None
    scope: Scope | None = None  # None: a plain value, nothing to evaluate
    flow: Tensor | None = None  # what `in` means there
    value: Any = field(default=None)
    state: int = 0  # 0 not evaluated, 1 being evaluated, 2 done


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What a body sees.

    names: params, or vars, and `i`. outputs: named earlier outputs that `from` reaches.
    entered: what entered the enclosing block. calls: the blocks being expanded, outermost first, and from where.
    """

    library: Library
    names: Mapping[str, Bound]
    entered: Val | None  # None in `vars`, which know no layer
    outputs: Mapping[str, Val] = field(default_factory=dict)
    calls: tuple[tuple[Block, At], ...] = ()

    def with_index(self, i: int) -> Scope:
        """This scope inside the i-th copy of a repeat."""
        return replace(self, names={**self.names, "i": Bound(i, None, value=i, state=2)})


class Evaluator:
    """Evaluates raw values, noting every mistake at its place; what is broken becomes UNKNOWN_VALUE."""

    def __init__(self, errors: Errors) -> None:
        self.errors = errors

    def value(self, raw: Any, at: At | None, scope: Scope, flow: Tensor | None) -> Any:
        """The value of a raw scalar, list or mapping where `in` is `flow`."""
        if isinstance(raw, str):
            return self._scalar(raw, at, scope, flow)
        if isinstance(raw, list):
            return [self.value(v, at and at / k, scope, flow) for k, v in enumerate(raw)]
        if isinstance(raw, dict):
            return {k: self.value(v, at and at / k, scope, flow) for k, v in raw.items()}
        return UNKNOWN_VALUE if raw is BROKEN else raw

    def _scalar(self, raw: str, at: At | None, scope: Scope, flow: Tensor | None) -> Any:
        if "$" not in raw:
            return raw
        try:
            expression = template(raw)
            if not isinstance(expression, Expression):
                return expression
            return evaluate(expression, lambda name: self._lookup(name, scope, flow), self._visible(scope))
        except ExpressionError as e:
            self.report(e, at)
            return UNKNOWN_VALUE

    def _visible(self, scope: Scope) -> tuple[str, ...]:
        return (*scope.names, *(("in", "input") if scope.entered else ()))

    def report(self, e: ExpressionError, at: At | None) -> None:
        """Note an expression's error at its place inside the scalar."""
        span = at.document.part(at.path, e.offset, max(1, e.length)) if at else None
        self.errors.extend([Diagnostic(e.code, e.message, span, (), e.hint)])

    def _lookup(self, name: str, scope: Scope, flow: Tensor | None) -> Any:
        if scope.entered is not None:
            if name == "in":
                return ShapeView(flow)
            if name == "input":
                return ShapeView(scope.entered.tensor)
        return self.bound(scope.names[name])

    def bound(self, bound: Bound) -> Any:
        """A name's value, evaluated once, where it was written."""
        if bound.state == 0:
            bound.state = 1
            scope = bound.scope
            bound.value = bound.raw if scope is None else self.value(bound.raw, bound.at, scope, bound.flow)
            bound.state = 2
        elif bound.state == 1:
            self.errors.add("SPEC026", "this value is defined by itself", bound.at, hint="break the circle")
            bound.value, bound.state = UNKNOWN_VALUE, 2
        return bound.value


def origin(raw: Any, at: At | None, scope: Scope | None) -> At | None:
    """Where a value was really written: `$name` is followed to the caller's argument."""
    while isinstance(raw, str) and scope is not None and (m := PLAIN_NAME.match(raw)):
        bound = scope.names.get(m[1])
        if bound is None or bound.at is None:
            break
        raw, at, scope = bound.raw, bound.at, bound.scope
    return at
