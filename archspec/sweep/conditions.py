"""Evaluates `where`, a condition on a trial."""

from __future__ import annotations

from archspec.diagnostics import Diagnostic, SpecError, error
from archspec.expressions import Expression, ExpressionError, evaluate, template
from archspec.language.syntax import At
from archspec.sweep.model import Value
from archspec.sweep.names import Names


def condition_of(value: Value) -> Expression:
    """The parsed condition. Raises SpecError at its place."""
    try:
        parsed = template(value.value)
    except ExpressionError as problem:
        raise _wrong_condition(problem, value.at) from None
    assert isinstance(parsed, Expression)
    return parsed


def holds(condition: Expression, at: At, names: Names) -> bool:
    """Whether a trial meets the condition. Raises SpecError if the condition is neither true nor false."""
    try:
        result = evaluate(condition, names.visible())
    except ExpressionError as problem:
        raise _wrong_condition(problem, at) from None
    if not isinstance(result, bool):
        from archspec.language.message_text import value_text

        raise error("SWEEP404", f"a `where` must be true or false, got {value_text(result)}", span=at.span(),
                    hint="compare: `$(params < 1000000)`")
    return result


def _wrong_condition(problem: ExpressionError, at: At) -> SpecError:
    span = at.inside(problem.offset, max(1, problem.length)).span()
    return SpecError([Diagnostic(problem.code, problem.message, span, hint=problem.hint)])
