"""Mistakes in an expression, each with its place in the text."""

from __future__ import annotations

import pytest

from archspec.expressions import FUNCTIONS, ExpressionError
from tests.expressions.helpers import mistake


@pytest.mark.parametrize(
    ("text", "marked", "message", "hint"),
    [
        ("", "", "an empty expression", "write a value in the brackets"),
        ("1 +", "", "the expression ends where a value should be", None),
        ("1 + * 2", "*", "unexpected `*`, where a value should be", None),
        ("a b", "b", "unexpected `b`, where an operator or the end should be", None),
        ("a.0 1", "1", "unexpected `1`, where an operator or the end should be", None),
        ("0x10", "x10", "unexpected `x10`, where an operator or the end should be", None),
        ("(a", "(", "`(` is not closed", "add `)`"),
        ("a)", ")", "unexpected `)`, where an operator or the end should be", None),
        ("[1, 2", "[", "`[` is not closed", "add `]`"),
        ("[1 2]", "2", "unexpected `2`, where `,` should be", None),
        ("x[1", "[", "`[` is not closed", "add `]`"),
        ("x[]", "]", "unexpected `]`, where a value should be", None),
        ("x[1:2]", ":", "unexpected `:`", None),
        ("max(1", "(", "`(` is not closed", "add `)`"),
        ("max(,)", ",", "unexpected `,`, where a value should be", None),
        ("(a, b)", ",", "unexpected `,`, where `)` should be", None),
        ("a = 1", "=", "unexpected `=`, where an operator or the end should be", "write `==`"),
        ("1 if a", "", "`if` needs an `else`: write `x if condition else y`", "add `else`"),
        ("if a", "if", "unexpected `if`, where a value should be", None),
        ("a == not b", "not", "`not` binds more weakly than the operator before it", "write `(not …)`"),
        ("a && b", "&", "unexpected `&`", "write `and`"),
        ("a || b", "|", "unexpected `|`", "write `or`"),
        ("!a", "!", "unexpected `!`", "write `not`"),
        ("a ? 1 : 2", "?", "unexpected `?`", "write `x if condition else y`"),
        ("2 ^ 3", "^", "unexpected `^`", "write `**`"),
        ("{a: 1}", "{", "unexpected `{`", "mappings cannot be written in an expression"),
        ("'abc", "'abc", "the quote is not closed", "add '"),
        (".5", ".5", "a number cannot start with `.`", "write 0.5"),
        ("a.b.", ".", "unexpected `.`", None),
        ("a(1)", "a", "unknown function `a`", "functions: " + ", ".join(FUNCTIONS)),
        ("(a)(1)", "(", "only a function can be called", "functions: " + ", ".join(FUNCTIONS)),
        ("x[0](1)", "(", "only a function can be called", "functions: " + ", ".join(FUNCTIONS)),
        ("lambda: 1", ":", "unexpected `:`", None),
        ("a; b", ";", "unexpected `;`", None),
        ("a\\b", "\\", "unexpected `\\`", None),
        ("max(a=1)", "a", "`max` has no parameter `a`", "parameters: none"),
        ("make_divisible(1, e=2)", "e", "`make_divisible` has no parameter `e`", "parameters: v, d"),
        ("make_divisible(1, d=2, 3)", "3", "an argument out of order", "write make_divisible(v, d=8)"),
        ("make_divisible(1, v=2)", "2", "an argument out of order", "write make_divisible(v, d=8)"),
    ],
)
def test_syntax(text, marked, message, hint):
    code, *rest = mistake(text)
    assert rest == [marked, message, hint]
    assert code == ("SPEC031" if "unknown function" in message or "no parameter" in message else "SPEC030")


@pytest.mark.parametrize(
    ("text", "marked", "message", "hint"),
    [
        ("1 + chanels", "chanels", "unknown name `chanels`; visible: channels, i", "write `channels`"),
        ("zzz", "zzz", "unknown name `zzz`; visible: channels, i", None),
        ("1 if true else zzz", "zzz", "unknown name `zzz`; visible: channels, i", None),  # not taken, yet a mistake
        ("true or zzz", "zzz", "unknown name `zzz`; visible: channels, i", None),
        ("i + min", "min", "`min` is a function", "write min(a, b, …) or min(list)"),
        ("maks(1)", "maks", "unknown function `maks`", "functions: " + ", ".join(FUNCTIONS)),
        ("rond(1)", "rond", "unknown function `rond`", "write `round`"),
        ("None", "None", "unknown name `None`", "write `null`"),
    ],
)
def test_unknown_names(text, marked, message, hint):
    assert mistake(text, {"channels": 1, "i": 0}) == ("SPEC031", marked, message, hint)


def test_a_visible_name_that_cannot_be_printed_is_not_listed():
    assert mistake("q", {"\ud7fc": 1, "\x1b[2J": 2, "a": 3})[2] == "unknown name `q`; visible: a"


def test_very_many_visible_names():
    names = {f"name{i}": 1 for i in range(50_000)}
    code, _, message, _ = mistake("nam", names)
    assert code == "SPEC031"
    assert len(message) < 200


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("1 + true", "+", "`+` needs numbers, got true"),
        ("in - 1", "-", "`-` needs numbers, got a shape"),
        ("t * 2", "*", '`*` needs numbers, got "relu"'),
        ("[1] + [2]", "+", "`+` needs numbers, got [1]"),
        ("1 + null", "+", "`+` needs numbers, got null"),
        ("1 + 2 - d", "-", "`-` needs numbers, got a mapping"),
        ("-t", "-", '`-` needs a number, got "relu"'),
        ("+yes", "+", "`+` needs a number, got true"),
        ("1 // 0", "//", "division by zero"),
        ("1 % 0.0", "%", "division by zero"),
        ("1.5 / 0", "/", "division by zero"),
        ("0 ** -1", "**", "division by zero"),
        ("0.0 ** -0.5", "**", "division by zero"),
        ("(-8) ** 0.5", "**", "-8 ** 0.5 is not a real number"),
        ("1 < 'a'", "<", '`<` compares numbers, got "a"'),
        ("1 < 2 < x", "<", "`<` compares numbers, got [1, 2, [3, 4]]"),
        ("yes > no", ">", "`>` compares numbers, got true"),
        ("not 1", "not", "`not` needs true or false, got 1"),
        ("yes and 1", "and", "`and` needs true or false, got 1"),
        ("0 or yes", "or", "`or` needs true or false, got 0"),
        ("1 if 2 else 3", "if", "`if` needs true or false, got 2"),
        ("x[3]", "3", "index 3 of 3 items"),
        ("x[-4]", "-4", "index -4 of 3 items"),
        ("x[a + 1]", "a + 1", "index 8 of 3 items"),
        ("[1].1", "1", "index 1 of 1 item"),
        ("e.0", "0", "index 0 of 0 items"),
        ("x[1.0]", "1.0", "an index must be an integer, got 1.0"),
        ("x[yes]", "yes", "an index must be an integer, got true"),
        ("a[0]", "0", "only a list has items, got 7"),
        ("t[0]", "0", 'only a list has items, got "relu"'),
        ("a.0", "0", "only a list has items, got 7"),
        ("x.k", "k", "[1, 2, [3, 4]] has no field `k`"),
        ("a.real", "real", "7 has no field `real`"),
        ("t.upper", "upper", '"relu" has no field `upper`'),
        ("in.width", "width", "a vector has no width"),
        ("in.__class__", "__class__", "a vector has no __class__"),
        ("in.0", "0", "a vector has no 0"),
        ("max([])", "max", "`max` of an empty list"),
        ("max(1)", "max", "`max` needs a list or several numbers, got 1"),
        ("max(1, yes)", "max", "`max` needs a number, got true"),
        ("min(x)", "min", "`min` needs a number, got [3, 4]"),
        ("sum(1)", "sum", "`sum` needs a list, got 1"),
        ("sum([t])", "sum", '`sum` needs a number, got "relu"'),
        ("len(1)", "len", "`len` needs a list or a text, got 1"),
        ("int('3')", "int", '`int` needs a number, got "3"'),
        ("abs()", "abs", "`abs` takes 1 argument, got 0"),
        ("round(1.25, 1)", "round", "`round` takes 1 argument, got 2"),
        ("min()", "min", "`min` takes at least 1 argument, got 0"),
        ("make_divisible()", "make_divisible", "`make_divisible` takes 1 to 2 arguments, got 0"),
        ("make_divisible(d=2)", "make_divisible", "`make_divisible` needs `v`"),
        ("make_divisible(8, 0)", "make_divisible", "`make_divisible` needs a positive integer as its divisor, got 0"),
        ("make_divisible(8, 1.5)", "make_divisible",
        "`make_divisible` needs a positive integer as its divisor, got 1.5"),
        ("make_divisible(t)", "make_divisible", '`make_divisible` needs a number, got "relu"'),
    ],
)
def test_types_and_values(text, marked, message):
    assert mistake(text)[:3] == ("SPEC032", marked, message)


def test_a_field_that_a_mapping_has_not():
    assert mistake("d.kernl") == ("SPEC031", "kernl", "no field `kernl`; visible: kernel, n", "write `kernel`")


def test_offsets_count_from_the_start_of_the_scalar():
    assert mistake("$x.5", whole=True)[:2] == ("SPEC032", "5")
    assert mistake("$(a + zzz)", whole=True)[:2] == ("SPEC031", "zzz")
    assert mistake("$zzz.1", whole=True)[:2] == ("SPEC031", "zzz")


def test_a_host_error_gets_its_place():
    class Refusing:
        def field(self, name):
            raise ExpressionError("SPEC032", f"no {name} here", 99, 99, hint="ask another")

    assert mistake("$r.size", {"r": Refusing()}, whole=True) == ("SPEC032", "size", "no size here", "ask another")
