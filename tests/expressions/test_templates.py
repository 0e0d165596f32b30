"""Whole scalars: which are expressions, which are text."""

from __future__ import annotations

import pytest

from archspec.expressions import template
from tests.expressions.helpers import NAMES, mistake


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relu", "relu"), ("", ""), ("a$b", "a$b"), (" $a", " $a"), ("$$a", "$a"), ("$$", "$"), ("$$$a", "$$a"),
        ("$$(a)", "$(a)"), ("costs 5$", "costs 5$"),
    ],
)  # fmt: skip
def test_texts(text, expected):
    assert template(text) == expected


@pytest.mark.parametrize(
    ("text", "expected", "name", "names"),
    [
        ("$a", 7, "a", {"a"}), ("$x.2.0", 3, None, {"x"}), ("$in.channels", 64, None, {"in"}),
        ("$d.n.m", 6, None, {"d"}),
        ("$(a)", 7, "a", {"a"}), ("$( a + b )", 4, None, {"a", "b"}), ("$(1)", 1, None, set()),
        ("$true", True, None, set()),
        ("$(in.channels != a)", True, None, {"in", "a"}), ("$(max(a, min(f, b)))", 7, None, {"a", "b", "f"}),
        ("$((a) + (b))", 4, None, {"a", "b"}),
    ],
)  # fmt: skip
def test_expressions(text, expected, name, names):
    expression = template(text)
    assert expression.evaluate(NAMES) == expected
    assert (expression.name, expression.names, str(expression)) == (name, names, text)
    assert repr(expression) == f"Expression({text!r})"
    assert template(text) is expression  # cached


@pytest.mark.parametrize(
    ("text", "marked", "message", "hint"),
    [
        ("$", "$", "`$` must be followed by a name or `(`", "write `$$` for the text `$`"),
        ("$9", "$9", "`$` must be followed by a name or `(`", "write `$$` for the text `$`"),
        ("$ a", "$ a", "`$` must be followed by a name or `(`", "write `$$` for the text `$`"),
        ("$a b", " b", "text cannot follow `$name`", "write `$(…)` to compute, `$$` for the text `$`"),
        ("$a-1", "$a-1", "text cannot follow `$name`", "write `$(a-1)` to compute, `$$` for the text `$`"),
        ("$x[y[0]]", "[", "`[` cannot follow `$name`", 'write "$(x[y[0]])"'),
        ("$x[0", "[", "`[` cannot follow `$name`", "close the bracket with `]`"),
        ("$x[0] + 1", "$x[0] + 1", "text cannot follow `$name`", "write `$(x[0] + 1)` to compute, `$$` for the text `$`"),
        ("$(a)b", "$(a)b", "`$(…)` must be the whole value", "put all of it inside the brackets"),
        ("$(a", "$(a", "`$(…)` must be the whole value", "put all of it inside the brackets"),
        ("$()", "$()", "an empty expression", "write a value in the brackets"),
        ("$(  )", "$(  )", "an empty expression", "write a value in the brackets"),
        ("$(a) + $(b)", "$(", "a second `$(` in one value", "write `$(` once, around all of it"),
        ("$(a + $b)", "$", "unexpected `$`", "inside `$(…)` a name has no `$`"),
    ],
)
def test_scalars_that_are_no_expression(text, marked, message, hint):
    assert mistake(text, whole=True) == ("SPEC030", marked, message, hint)
