"""Expressions that YAML takes apart: repaired, or told with a hint that works."""

from __future__ import annotations

import pytest

from archspec.source import BROKEN, parse
from tests.source.helpers import mistakes


@pytest.mark.parametrize(
    ("text", "data", "column", "hint"),
    [
        ("{a: $(max(c, 8)), k: 1}", {"a": BROKEN, "k": 1}, 5, '"$(max(c, 8))"'),
        ("{a: $(x[0]), k: 1}", {"a": BROKEN, "k": 1}, 5, '"$(x[0])"'),
        ("[$x[0], 2]", [BROKEN, 2], 2, '"$(x[0])"'),
        ("[$x.y[$i].z, 2]", [BROKEN, 2], 2, '"$(x.y[i].z)"'),
        ("{$(f(a, b)): 1, c: 2}", {"c": 2}, 2, '"$(f(a, b))"'),
        ("[$(a) + $(b[1]), 4]", [BROKEN, 4], 2, '"$((a) + (b[1]))"'),
        ("[$(x[0]).y, 4]", [BROKEN, 4], 2, '"$((x[0]).y)"'),
        ("[$(min([1, 2])), {b: $(a[1])}]", None, 2, '"$(min([1, 2]))"'),
        ("a: $(x if c else 'k: v')", {"a": BROKEN}, 4, "\"$(x if c else 'k: v')\""),
        ('a: $(x if c else "k: v")', {"a": BROKEN}, 4, "'$(x if c else \"k: v\")'"),
        ("a: $(f(1 # 2))", {"a": BROKEN}, 4, '"$(f(1 # 2))"'),
        ("[a, $(f(1,\n  2)), b]", ["a", BROKEN, "b"], 5, '"$(f(1, 2))"'),
    ],
)
def test_torn_expressions(parser, text, data, column, hint):
    document = parse(text, "t")
    if data is not None:
        assert document.data == data
        assert len(document.errors) == 1
    first = document.errors[0]
    assert (first.code, first.span.line, first.span.column) == ("SPEC006", 1, column)
    assert first.message.startswith("YAML takes `$")
    assert first.hint == f"quote it: {hint}"


@pytest.mark.parametrize("text", ["{a: $(max(c, 8)), k: 1}", "[$x[0], 2]", "a: $(x if c else 'k: v')"])
def test_the_hint_for_a_torn_expression_works(parser, text):
    (error,) = parse(text, "t").errors
    span = error.span
    start = span.column - 1
    mended = text[:start] + error.hint.removeprefix("quote it: ") + text[start + span.length :]
    document = parse(mended, "t")
    assert document.errors == ()
    assert BROKEN not in (document.data.values() if isinstance(document.data, dict) else document.data)


@pytest.mark.parametrize(
    ("text", "data", "hint"),
    [
        ("a: $(max(1, 2)\nb: 1\n", {"a": BROKEN, "b": 1}, 'write "$(max(1, 2))"'),
        ("x: {a: $(max(c, 8), k: 1}\nb: 2\n", {"x": {"a": BROKEN}, "b": 2}, 'close it, and quote the whole: "$(…)"'),
        ("a: $('x)\nb: 2\n", {"a": BROKEN, "b": 2}, 'close it, and quote the whole: "$(…)"'),
    ],
)
def test_unclosed_expressions(parser, text, data, hint):
    document = parse(text, "t")
    assert document.data == data
    (error,) = document.errors
    assert (error.code, error.span.line) == ("SPEC006", 1)
    assert error.hint == hint


@pytest.mark.parametrize("text", ["a: [$(f(a], 1)), 2]\n", "a: {b: $(x[(0]), c: 1}\n", "a: [$([a)], 2]\n"])
def test_what_follows_from_an_unclosed_bracket_is_not_told(parser, text):
    ((code, line, _, message),) = mistakes(text)
    assert (code, line) == ("SPEC006", 1)
    assert message.endswith("is not closed")


def test_many_torn_expressions(parser):
    found = mistakes("[" + "$(a,b), " * 200 + "]")
    assert [f[0] for f in found] == ["SPEC006"] * 100 + ["SPEC003"]


def test_many_directives(parser):
    found = mistakes("%FOO\n" * 200 + "--- a\n")
    assert [f[0] for f in found] == ["SPEC005"] * 100 + ["SPEC003"]


def test_directives_after_the_document(parser):
    assert mistakes("a: 1\n...\n%FOO\n---\nb: 1\n")[0][:2] == ("SPEC005", 3)


def test_torn_expressions_hide_nothing_else(parser):
    text = "a: [$x[0], 1]\nb: {c: $(f(1, 2)), c: 1}\nd: [$y[1], $(z[2])]\nb: 3\ne: f: g\n"
    assert [(code, line, column) for code, line, column, _ in mistakes(text)] == [
        ("SPEC006", 1, 5), ("SPEC006", 2, 8), ("SPEC004", 2, 20), ("SPEC006", 3, 5), ("SPEC006", 3, 12),
        ("SPEC004", 4, 1), ("SPEC002", 5, 5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["a: $(max(c, 8))", "[$(a + b), '$(max(c, 8))', \"$(x[0])\"]", "a: x $(", "a: $(a))", "# $(\na: 1", "a: $x[0]"],
)
def test_what_is_whole_is_left_alone(parser, text):
    assert mistakes(text) == []
