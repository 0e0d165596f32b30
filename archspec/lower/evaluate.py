"""Evaluates raw values and reports each mistake at its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from archspec.expressions import UNKNOWN_VALUE, Expression, ExpressionError, template
from archspec.language import fixes
from archspec.language.errors import Place
from archspec.language.names import names_in, without_dollar
from archspec.language.problems import meant_value
from archspec.language.syntax import At
from archspec.lower.misuse import Misuses
from archspec.lower.report import Reporter
from archspec.lower.values import Bound, Scope, ShapeView, Visible, Written, written
from archspec.source import BROKEN

_CHARACTERS: Final = 16  # so many characters of an expression count as one more step


class Evaluator:
    """Evaluates raw values. A broken value becomes UNKNOWN_VALUE.

    steps: how much was evaluated so far; `Context` bounds it.
    """

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self.steps = 0
        self.blamed: set[int] = set()  # ids of names whose value is already reported as wrong
        self.misuses = Misuses(reporter)

    def value(self, raw: Any, at: At | None, scope: Scope, flow: ShapeView | None) -> Any:
        """Evaluate a raw scalar, list or mapping. `in` is `flow`, which is None outside layers."""
        self.steps += 1
        if isinstance(raw, str):
            return self._scalar(raw, at, scope, flow) if raw.startswith("$") else raw
        if isinstance(raw, list):
            return [self.value(v, at and at / k, scope, flow) for k, v in enumerate(raw)]
        if isinstance(raw, dict):
            return {k: self.value(v, at and at / k, scope, flow) for k, v in raw.items()}
        return UNKNOWN_VALUE if raw is BROKEN else raw

    def _scalar(self, raw: str, at: At | None, scope: Scope, flow: ShapeView | None) -> Any:
        self.steps += len(raw) // _CHARACTERS
        try:
            expression = template(raw)
            if isinstance(expression, Expression):
                return expression.evaluate(Visible(self, scope, flow))
        except ExpressionError as e:
            self._tell(e, raw, at, scope)
            return UNKNOWN_VALUE
        return expression

    def _tell(self, e: ExpressionError, raw: str, at: At | None, scope: Scope) -> None:
        hint = e.hint
        if e.code == "SPEC031" and raw[e.offset : e.offset + e.length] == "i" and hint is None:
            hint = "`i` is not visible inside a block: pass it as an argument"
        if e.code == "SPEC031" and raw[e.offset : e.offset + e.length] in self.reporter.errors.lost:
            return
        place = at and at.inside(e.offset, max(1, e.length))
        subject, related = None, list[Place]()
        if e.code == "SPEC032":  # a wrong value of a name is reported once
            subject = (names_in(raw), e.message)
            bounds = [scope.names[name] for name in names_in(raw) if name in scope.names]
            if any(id(b) in self.misuses.found for b in bounds):
                return
            self.blamed.update(id(b) for b in bounds if isinstance(b.value, (str, bool, type(None))))
            if meant := next(filter(None, map(self._bound_meant, bounds)), None):
                hint, related = meant[0], [(meant[1], "meant here")]
        self.reporter.tell(e.code, e.message, place, scope, hint=hint, subject=subject, related=related)

    def without_dollar(self, raw: Any, scope: Scope | None) -> str | None:
        """The hint for a text that is probably an expression without its `$`; None for any other value."""
        if scope is None or not isinstance(raw, str):
            return None
        names = {name for name, bound in scope.names.items() if bound.raw != raw}  # in `vars: {a: a}`, a is not `$a`
        return without_dollar(raw, {*names, "in", "input"}, self.reporter.errors)

    def _bound_meant(self, bound: Bound) -> tuple[str, At] | None:
        """The hint for a name whose value lacks its `$` or is a number in quotes, and the place of the value."""
        source = written(bound.raw, bound.at, bound.scope)
        hint = self.without_dollar(source.raw, source.scope) or meant_value("float", source.raw)
        return None if hint is None or source.at is None else (fixes.moved(hint, source.at), source.at)

    def misuse(
        self, code: str, message: str, source: Written, at: At | None, scope: Scope, *, notes: Iterable[str] = (),
        related: Iterable[Place] = (), hint: str | None = None, through: Iterable[Bound] = (),
    ) -> bool:
        """Report that the value of `source`, written or named at `at`, is wrong there. Returns whether that is new.

        related: where the value is used, and where it is passed as an argument.
        """
        if any(id(bound) in self.blamed for bound in source.through) and not self.reporter.holding:
            return False
        if self.misuses.add(code, message, source, at, scope, notes=notes, related=related, hint=hint):
            return True
        if not self.blame([*through, *source.through]):
            return False
        self.reporter.tell(code, message, source.at, source.scope or scope, notes=notes, related=related, hint=hint)
        return True

    def blame(self, names: Iterable[Bound]) -> bool:
        """Whether a value behind these names may be reported as wrong. If so, it is unknown from now on.

        It may not if one of the names is already reported.
        """
        names = list(names)
        if self.reporter.holding:
            return True
        if any(id(bound) in self.blamed for bound in names):
            return False
        for bound in names:
            bound.value, bound.state = UNKNOWN_VALUE, 2
            self.blamed.add(id(bound))
        return True

    def bound(self, bound: Bound) -> Any:
        """The value of a name, evaluated once, in the scope where it was written.

        The names that it uses are evaluated first. This is a loop and not a recursion, since a chain of names can be
        long.
        """
        way = [] if bound.state == 2 else [bound]
        while way:
            last = way[-1]
            if last.state == 0:
                last.state = 1
                way.extend(self._needed(last))
                continue
            if last.state == 1:
                scope = last.scope
                value = last.raw if scope is None else self.value(last.raw, last.at, scope, last.flow)
                last.value, last.state = value, 2
            way.pop()
        return bound.value

    def _needed(self, bound: Bound) -> list[Bound]:
        """The names that a value uses and that are not evaluated yet. A cycle is reported and broken."""
        if bound.scope is None:
            return []
        needed = []
        for name in sorted(names_in(bound.raw)):
            other = bound.scope.names.get(name)
            if other is not None and other.state == 1:
                self.reporter.tell("SPEC026", f"`{name}` depends on itself", other.at, bound.scope,
                                   hint="break the cycle: write a value")
                other.value, other.state = UNKNOWN_VALUE, 2
            elif other is not None and other.state == 0:
                needed.append(other)
        return needed
