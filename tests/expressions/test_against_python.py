"""Values are Python's, where Python has the expression; any other text gives a mistake in its place."""

from __future__ import annotations

import builtins

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archspec.expressions import (
    FUNCTIONS,
    MAX_LENGTH,
    Expression,
    ExpressionError,
    parse_expression,
    template,
)
from tests.expressions.helpers import NAMES, mistake

QUICK = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])


numbers = st.integers(-20, 20).map(str) | st.sampled_from(["0.5", "2.25", "1e2", "a", "b", "f"])


def _number(inner, truth):
    items = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%", "/"]), inner).map(" ".join),
        st.tuples(inner, st.integers(0, 3).map(str)).map(lambda t: f"({t[0]}) ** {t[1]}"),
        inner.map(lambda e: f"-{e}"),
        inner.map(lambda e: f"({e})"),
        items.map(lambda e: f"[{', '.join(e)}][-1]"),
        st.tuples(st.sampled_from(["abs", "int", "round"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(st.sampled_from(["min", "max", "sum", "len"]), items).map(lambda t: f"{t[0]}([{', '.join(t[1])}])"),
        st.tuples(inner, truth, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
    )


def _truth(inner, number):
    return st.one_of(
        st.tuples(number, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), number).map(" ".join),
        st.tuples(number, number, number).map(lambda t: f"{t[0]} < {t[1]} <= {t[2]}"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
        inner.map(lambda e: f"(not {e})"),
        inner.map(lambda e: f"({e})"),
    )


PYTHON_HAS = [name for name in FUNCTIONS if hasattr(builtins, name)]


def grown(levels):
    """Expressions for numbers and for truth values, of at most so many levels."""
    number, truth = numbers, st.sampled_from(["yes", "no"])
    for _ in range(levels):
        number, truth = number | _number(number, truth), truth | _truth(truth, number)
    return number | truth


@settings(QUICK, max_examples=600)
@given(grown(3))
def test_values_are_python_s(text):
    names = {"a": 7, "b": -3, "f": 2.5, "yes": True, "no": False}
    try:
        expected = eval(text, {"__builtins__": {n: getattr(builtins, n) for n in PYTHON_HAS}}, names)
    except ZeroDivisionError:
        code, _, message, _ = mistake(text, names)
        assert message == "division by zero" or code == "SPEC033"  # unless a number before it is too large
        return
    except OverflowError:
        assert mistake(text, names)[0] == "SPEC033"
        return
    if len(text) > MAX_LENGTH or abs(expected) > 10**29:
        return
    try:
        found = parse_expression(text).evaluate(names)
    except ExpressionError as exc:
        assert exc.code == "SPEC033"  # something on the way was too large
        return
    assert found == expected
    assert type(found) is type(expected)


WORDS = ["a", "x", "u", "in", "t", "zzz", "1", "2.5", "0", "'s", "'s'", '"', "+", "-", "**", "//", "/", "%", "<",
"==", "=", "!=", "and",
         "or", "not", "if", "else", "(", ")", "[", "]", ",", ".0", ".k", ".", "max", "sum", "len", "min(", "true",
         "null", " ", "$", "é",
         "\n", "9" * 40, "1e999", "hole", "big", "make_divisible(", "d="]  # fmt: skip


@settings(QUICK, max_examples=500)
@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join) | st.text(max_size=60))
def test_any_text_gives_a_value_or_a_mistake_in_its_place(text):
    for scalar in (text, f"${text}", f"$({text})"):
        try:
            made = template(scalar)
            if isinstance(made, Expression):
                made.evaluate(NAMES)
        except ExpressionError as exc:
            assert exc.code in {"SPEC030", "SPEC031", "SPEC032", "SPEC033"}
            assert 0 <= exc.offset <= len(scalar)
            assert exc.offset + exc.length <= len(scalar) + 1
            assert exc.message
