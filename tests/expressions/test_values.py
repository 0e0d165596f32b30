"""Values of expressions, their types kept."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archspec.expressions import parse_expression
from tests.expressions.helpers import value

QUICK = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1), ("007", 7), ("1.5", 1.5), ("1e3", 1000.0), ("2E-1", 0.2), ("'relu'", "relu"), ('"a, [b"', "a, [b"),
        ("true", True), ("True", True), ("FALSE", False), ("null", None), ("NULL", None), ("[]", []),
        ("[1, [2], ]", [1, [2]]),
        ("a + b", 4), ("a - b", 10), ("a * b", -21), ("a // 2", 3), ("b // 2", -2), ("b % 5", 2), ("a % -4", -1),
        ("6 / 3", 2.0), ("1 / 4", 0.25), ("2 ** 10", 1024), ("2 ** -1", 0.5), ("f ** 2", 6.25), ("4 ** 0.5", 2.0),
        ("0 ** 0", 1),
        ("-2 ** 2", -4), ("(-2) ** 2", 4), ("2 ** 3 ** 2", 512), ("2 ** -1 ** 2", 0.5), ("- - a", 7), ("+a", 7),
        ("--1", 1),
        ("1 - 2 - 3", -4), ("24 / 2 / 3", 4.0), ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("7 // 2 * 2", 6),
        ("2 * 7 // 2", 7),
        ("1 < 2", True), ("2 <= 1", False), ("1 < 2 < 3", True), ("1 < 3 < 2", False), ("3 > 2 >= 2 != 1", True),
        ("1 == 1.0", True),
        ("a == 7", True), ("t == 'relu'", True), ("t != 'gelu'", True), ("t == 1", False), ("yes == 1", False),
        ("no == 0", False),
        ("nothing == null", True), ("nothing != 0", True), ("[1, 'a'] == [1.0, 'a']", True), ("[1] == [true]", False),
        ("[1, 2] == [1]", False), ("x == x", True), ("d == d", True), ("in == in", True), ("in == d", False),
        ("not yes", False), ("not a == 7", False), ("not not yes", True), ("yes and no", False), ("no or yes", True),
        ("no and no or yes", True), ("yes or 1 // 0 == 0", True), ("no and 1 // 0 == 0", False),
        ("3 < 2 < 1 // 0", False),
        ("1 if yes else 2", 1), ("1 if no else 2 if no else 3", 3), ("1 // 0 if no else 5", 5),
        ("not 1 == 2 if yes else 0", True),
        ("(1 if yes else 2) + 1", 2), ("1 + 1 if no else 0", 0), ("a if a > 0 else -a", 7),
        ("x[0]", 1), ("x[-1][0]", 3), ("x[a - 6]", 2), ("x.0", 1), ("x.2.1", 4), ("x[2].0", 3), ("[5, 6][1]", 6),
        ("(x)[1]", 2),
        ("in.channels", 64), ("in.channels // 4", 16), ("d.kernel", 5), ("d.n.m", 6), ("x.1+1", 3),
        ("min(3, 1, 2)", 1), ("max([3, 5])", 5), ("min(1, 1.0)", 1), ("max(a, f)", 7), ("sum([1, 2.5])", 3.5),
        ("sum([])", 0),
        ("len(x)", 3), ("len('abc')", 3), ("len([])", 0), ("abs(b)", 3), ("abs(-f)", 2.5), ("int(-2.7)", -2),
        ("int(a)", 7),
        ("round(2.5)", 2), ("round(3.5)", 4), ("round(-2.6)", -3), ("floor(-2.5)", -3), ("ceil(2.1)", 3),
        ("ceil(a)", 7),
        ("make_divisible(33)", 32), ("make_divisible(30)", 32), ("make_divisible(3)", 8), ("make_divisible(11)", 16),
        ("make_divisible(12.3, 4)", 12), ("make_divisible(20, d=16)", 32), ("make_divisible(v=20, d=16)", 32),
        ("make_divisible(d=16, v=20)", 32), ("max(1, 2,)", 2), ("max ( 1 ,2 )", 2), ("sum_ + 1", 2), (" a ", 7),
        ("a\n+ 1", 8),
    ],
)  # fmt: skip
def test_values_keep_their_type(text, expected):
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def published_rule(v, divisor):
    """Howard et al.'s code, with the minimum that all callers leave alone."""
    new_v = max(divisor, int(v + divisor / 2) // divisor * divisor)
    if new_v < 0.9 * v:
        new_v += divisor
    return new_v


@QUICK
@given(st.integers(1, 5000) | st.floats(0.5, 5000), st.integers(1, 64))
def test_make_divisible(v, d):
    found = parse_expression("make_divisible(v, d)").evaluate({"v": v, "d": d})
    assert found == published_rule(v, d)
    assert found % d == 0
    assert found >= 0.9 * v
