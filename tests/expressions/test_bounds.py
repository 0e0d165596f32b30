"""Expressions are bounded in length, depth and the size of what they give."""

from __future__ import annotations

import pytest

from archspec.expressions import MAX_INT, MAX_ITEMS, MAX_LENGTH, parse_expression, template
from tests.expressions.helpers import mistake, value


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("9**9**9", "**"), ("2**1000000", "**"), ("10**30 * 10", "*"), ("10**30 + 1", "+"), ("-10**30 - 1", "-"),
        ("big + 1", "+"),
        ("1e308 * 10", "*"), ("1e200 ** 2", "**"), ("inf + 1", "+"), ("nan * 0", "*"), ("1e999", "1e999"),
        ("9" * 31, "9" * 31),
        ("-big", "-"), ("int(1e300)", "int"), ("floor(inf)", "floor"), ("round(nan)", "round"),
        ("sum([1e308, 1e308])", "sum"),
        ("sum([10**30, 1])", "sum"), ("abs(big)", "abs"), ("max(big, 1)", "max"),
        ("make_divisible(1, big)", "make_divisible"),
        ("make_divisible(10**30, 3 * 10**29)", "make_divisible"), ("2.0 ** 5000", "**"), ("10 ** 400.0", "**"),
        ("10 ** 30 ** 30", "**"), ("2 ** 2 ** 2 ** 2 ** 2", "**"),
    ],
)  # fmt: skip
def test_numbers_are_bounded(text, marked):
    assert mistake(text)[:2] == ("SPEC033", marked)


def test_the_largest_numbers():
    assert value("10**30") == MAX_INT
    assert value("-10**30") == -MAX_INT
    assert value("1" + "0" * 30) == MAX_INT
    assert value("(-1) ** 10**30") == 1
    assert value("0 ** 10**30") == 0
    assert value("2 ** 99") == 2**99
    assert value("big == big") is True  # comparing computes nothing
    assert value("big > 1") is True


def test_nesting_is_bounded():
    for opened, closed in ("()", "[]", ("x[", "]"), ("abs(", ")")):
        fine = opened * 32 + "1" + closed * 32
        parse_expression(fine)
        assert mistake(opened + fine + closed)[0] == "SPEC033"
    for text in ("-" * 500 + "1", "not " * 200 + "true", "2**" * 300 + "1", "x" + ".0" * 400, "x" + "[0]" * 300):
        code, _, message, _ = mistake(text)
        assert (code, message) == ("SPEC033", "nested too deeply")


def test_long_chains_are_not_deep():
    assert value("+".join(["1"] * 500)) == 500
    assert value(" or ".join(["no"] * 150)) is False
    assert value("<".join(map(str, range(200)))) is True


def test_length_is_bounded():
    text = "1" + " " * (MAX_LENGTH - 1)
    assert value(text) == 1
    assert mistake(text + " ")[0] == "SPEC033"
    assert template(f"$({text})").evaluate({}) == 1
    assert mistake(f"$({text} )", whole=True)[0] == "SPEC033"
    assert mistake("$(" * 10**6, whole=True)[0] == "SPEC030"


def test_lists_are_bounded():
    names = {"fits": [0] * MAX_ITEMS, "long": [0] * (MAX_ITEMS + 1), "deep": [0]}
    for _ in range(40):
        names["deep"] = [names["deep"], names["deep"]]  # 2**40 items, and little memory
    assert parse_expression("sum(fits)").evaluate(names) == 0
    assert parse_expression("fits == fits").evaluate(names) is True
    assert parse_expression("len(deep) + len(long)").evaluate(names) == 2 + MAX_ITEMS + 1
    assert parse_expression("long[-1]").evaluate(names) == 0
    assert parse_expression("fits").evaluate(names) == [0] * MAX_ITEMS
    names["mapping"] = {"a": names["deep"], "b": 1}
    assert mistake("mapping", names)[:3] == ("SPEC033", "mapping", "a mapping of more than 1,000 items or 32 levels")
    assert parse_expression("mapping.b").evaluate(names) == 1
    too_large = ["deep", "long", "deep[0]", "sum(long)", "[fits]", "[deep]", "deep == deep", "max(deep)", "long != 1"]
    for text in (*too_large, "1 == deep", "min(1, deep)"):
        assert mistake(text, names)[0] == "SPEC033"
