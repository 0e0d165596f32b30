"""YAML text → data and places: scalars, spans, and every mistake at its place, with both of PyYAML's parsers."""

from __future__ import annotations

import copy
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from archspec.diagnostics import SpecError
from archspec.source import BROKEN, Limits, document_of, load, parse, read
from archspec.source.pure import PureParser

EXAMPLE = """\
archspec: 1
name: tiny  # a comment
stages:
  b1:
    - conv2d: {out_channels: 64, kernel_size: [3, 5]}
    - relu
  head: {linear: $n}
"""


@pytest.fixture(params=["libyaml", "pure"])
def parser(request, monkeypatch):
    """Both parsers must say the same."""
    if request.param == "pure":
        monkeypatch.setattr(load, "EVENT_PARSER", PureParser)
    return request.param


def told(text, **limits):
    """(code, line, column, message) of all that reading the text tells."""
    try:
        found = parse(text, "t.yaml", Limits(**limits)).errors
    except SpecError as exc:
        found = exc.diagnostics
    return [(d.code, d.span and d.span.line, d.span and d.span.column, d.message) for d in found]


def hints(text):
    try:
        found = parse(text, "t.yaml").errors
    except SpecError as exc:
        found = exc.diagnostics
    return [d.hint for d in found]


def marked(document, path=(), **where):
    """The text that a span covers."""
    span = document.span(path, **where)
    return span.text[span.column - 1 : span.column - 1 + span.length]


# Scalars


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("nULL", "nULL"),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("FALSE", False), ("tRUE", "tRUE"),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("n", "n"),
        ("0", 0), ("42", 42), ("-7", -7), ("+7", 7), ("012", 12), ("0o17", 15), ("0x1F", 31), ("-0x1F", "-0x1F"),
        ("0o8", "0o8"), ("0x", "0x"), ("0x_", "0x_"), ("0b1", "0b1"), ("1_000", "1_000"), ("1:30", "1:30"),
        ("1.5", 1.5), ("-1.", -1.0), (".5", 0.5), ("+.5", 0.5), ("1e3", 1000.0), ("1E-3", 0.001), ("1.5e+3", 1500.0),
        (".", "."), ("+", "+"), ("1e", "1e"), ("e3", "e3"), ("1.2.3", "1.2.3"), ("١", "١"),
        (".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf), ("inf", "inf"), ("nan", "nan"),
        ("2001-01-01", "2001-01-01"), ("2001-99-99", "2001-99-99"), ("$x", "$x"), ("$$x", "$$x"), ("=", "="),
        ("'1'", "1"), ('"true"', "true"), ("''", ""), ('"null"', "null"), ("9" * 100, int("9" * 100)),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema(parser, text, value):
    found = parse(f"a: {text}\n", "t").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_nan(parser):
    assert all(math.isnan(parse(f"a: {text}", "t").data["a"]) for text in (".nan", ".NaN", ".NAN"))


def test_block_texts_are_never_numbers(parser):
    assert parse("a: |\n  12\nb: >-\n  true\n  x\n", "t").data == {"a": "12\n", "b": "true x"}


def test_integer_keys_are_their_text(parser):
    document = parse("1: a\n-2: b\n'03': c\n", "t")
    assert document.data == {"1": "a", "-2": "b", "03": "c"}
    assert document.errors == ()


def test_a_text_without_a_document_is_null(parser):
    for text in ("", "# only\n", "\ufeff", "---\n"):
        document = parse(text, "t")
        assert (document.data, document.errors) == (None, ())
        assert document.span(("x",)).path == "t"


# Places


def test_spans_of_keys_and_values(parser):
    document = parse(EXAMPLE, "dir/x.yaml")
    conv = ("stages", "b1", 0, "conv2d")
    assert marked(document, ("name",)) == "tiny"
    assert marked(document, ("name",), key=True) == "name"
    assert marked(document, conv, key=True) == "conv2d"
    assert marked(document, conv) == "{out_channels: 64, kernel_size: [3, 5]}"
    assert marked(document, (*conv, "kernel_size", 1)) == "5"
    assert marked(document, ("stages", "b1", 1)) == "relu"
    span = document.span((*conv, "kernel_size"), key=True)
    assert (span.path, span.line, span.column, span.length) == ("dir/x.yaml", 5, 34, 11)
    assert span.text == EXAMPLE.splitlines()[4]


def test_a_span_falls_back_to_the_nearest_ancestor(parser):
    document = parse(EXAMPLE, "t")
    assert document.span(("stages", "head", "linear", "bias", 3)) == document.span(("stages", "head", "linear"))
    assert document.span(("stages", "b1", 7)) == document.span(("stages", "b1"))
    assert document.span(("nothing",), key=True) == document.span(())


def test_a_collection_is_marked_on_its_first_line(parser):
    document = parse("a:\n  b: 1  # no\n  c: 2\nd: [1, {x: 2},\n  3]\ne:\n- f: [1,\n    2]\n", "t")
    assert marked(document) == "a"
    assert marked(document, ("a",)) == "b: 1"
    assert marked(document, ("d",)) == "[1, {x: 2}"
    assert marked(document, ("e",)) == "- f: [1"
    assert marked(document, ("e", 0)) == "f: [1"


def test_texts_of_many_lines_are_marked_on_their_first(parser):
    document = parse("a: one\n  two\nb: 'x\n  y'  \nc: |\n  z\nd: 1\n", "t")
    assert document.data == {"a": "one two", "b": "x y", "c": "z\n", "d": 1}
    assert [marked(document, (k,)) for k in "abcd"] == ["one", "'x", "|", "1"]


def test_columns_count_characters(parser):
    text = "\ufeffé: [ñ, 😀😀, \"ü\", x]  # ö\n日本: {a: 1}\n"
    for source in (text, text.encode()):
        document = parse(source, "t")
        assert [marked(document, ("é", i)) for i in range(4)] == ["ñ", "😀😀", '"ü"', "x"]
        assert document.span(("é",), key=True).column == 1
        assert document.span(("é", 3)).column == 17
        assert document.span(("日本", "a")).column == 9


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends(parser, newline):
    document = parse(newline.join(["a: 1", "", "b: [2,", "  x]", ""]), "t")
    assert document.data == {"a": 1, "b": [2, "x"]}
    span = document.span(("b", 1))
    assert (span.line, span.column, span.text) == (4, 3, "  x]")


def test_a_missing_value_is_told_after_its_colon(parser):
    span = parse("a:\nb: 1\n", "t").span(("a",))
    assert (span.line, span.column, span.length) == (1, 3, 1)


def test_parts_of_a_scalar(parser):
    text = "a: $(x + yy)\nb: [1, '$(x + yy)']\nc: \"$(x \\u002b yy)\"\n$d.0: [1]\n'$e': 2\nf: $(x\n  + yy)\n"
    document = parse(text, "t")

    def place(path, offset, **where):
        span = document.part(path, offset, 2, **where)
        return span.line, span.column, span.length

    assert place(("a",), 6) == (1, 10, 2)
    assert place(("b", 1), 6) == (2, 15, 2)
    assert place(("$d.0",), 1, key=True) == (4, 2, 2)
    assert place(("$e",), 1, key=True) == (5, 3, 2)
    for whole in (("c",), ("f",)):  # an escape, folded lines: the whole scalar
        assert document.part(whole, 6, 2) == document.span(whole)
    assert document.part(("a", "b"), 0) == document.span(("a",))
    assert document.part(("b",), 0) == document.span(("b",))


# Mistakes that do not stop the reading


def test_a_duplicate_key_is_told_where_it_stands_and_the_first_one_counts(parser):
    document = parse("a: 1\nb:\n  c: 2\n  c: [{d: 1, d: 2}]\n'a': 3\ne: 4\n", "t")
    assert document.data == {"a": 1, "b": {"c": 2}, "e": 4}
    assert [(d.code, d.span.line, d.span.column, d.message) for d in document.errors] == [
        ("SPEC004", 4, 3, "duplicate key `c`"),
        ("SPEC004", 4, 14, "duplicate key `d`"),
        ("SPEC004", 5, 1, "duplicate key `a`"),
    ]
    assert document.errors[0].notes == ("first written on line 3, column 3",)


@pytest.mark.parametrize(
    ("text", "data", "place", "message"),
    [
        ("a: &x 1\nb: 2\n", {"a": 1, "b": 2}, (1, 4), "anchor `&x` is not allowed"),
        ("a: *x\nb: 2\n", {"a": BROKEN, "b": 2}, (1, 4), "alias `*x` is not allowed"),
        ("- *x\n", [BROKEN], (1, 3), "alias `*x` is not allowed"),
        ("*x : 1\nb: 2\n", {"b": 2}, (1, 1), "alias `*x` is not allowed"),
        ("a: !!int 1\n", {"a": BROKEN}, (1, 4), "tag `!!int` is not allowed"),
        ("a: !own [1]\n", {"a": [1]}, (1, 4), "tag `!own` is not allowed"),
        ("<<: *x\nb: 2\n", {"b": 2}, (1, 1), "merge keys (`<<`) are not allowed"),
        ("<<: [{a: 1, a: 2, b:2}, *x, !t y]\nb: 2\n", {"b": 2}, (1, 1), "merge keys (`<<`) are not allowed"),
        ("<<:\n  a: $(b\n  <<: *x\nb: 2\n", {"b": 2}, (1, 1), "merge keys (`<<`) are not allowed"),
        ("a: 1\n---\nb: 2\n", {"a": 1}, (2, 1), "a second YAML document"),
        ("# x\n\n%YAML 1.1\n---\na: no\n", {"a": "no"}, (3, 1), "YAML directives (`%…`) are not allowed"),
        ("%FOO 100%\n%YAML 1.2\n--- {a: 1}\n", {"a": 1}, (1, 1), "YAML directives (`%…`) are not allowed"),
    ],
)
def test_what_yaml_can_and_the_language_cannot(parser, text, data, place, message):
    document = parse(text, "t")
    assert document.data == data
    (error,) = document.errors
    assert (error.code, error.span.line, error.span.column, error.message) == ("SPEC005", *place, message)
    assert error.hint


def test_the_version_that_we_read_may_be_named(parser):
    assert parse("%YAML 1.2\n---\na: no\n", "t").data == {"a": "no"}
    assert told("%YAML 1.2\n---\na: no\n") == []


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("~", "the key `~` is null"), ("null", "the key `null` is null"), ("? ", "an empty key"),
        ("true", "the key `true` is true or false, not a name"), ("1.5", "the key `1.5` is a number, not a name"),
        ("012", "the key `012` is a number, not a name"), ("0x1", "the key `0x1` is a number, not a name"),
        ("+1", "the key `+1` is a number, not a name"), ("[a]", "a list cannot be a key"),
        ("{a: {b: 1}}", "a mapping cannot be a key"), ("{{a}}", "a mapping cannot be a key"),
    ],
)  # fmt: skip
def test_keys_are_names(parser, key, message):
    (found,) = told(f"{key}\n: 1\nb: 2\n" if key == "? " else f"{key}: 1\nb: 2\n")
    assert (found[0], found[1], found[3]) == ("SPEC008", 1, message)
    assert parse(f'"{key}": 1\n', "t").data == {key: 1}


def test_a_key_without_its_space_takes_its_value_along(parser):
    document = parse("a: {out:64, k: 3}\n", "t")
    assert document.data == {"a": {"out": BROKEN, "k": 3}}
    assert told("a: {out:64, k: 3}\n") == [("SPEC002", 1, 8, "no space after `:`")]


def test_a_long_number_as_a_key(parser):
    assert told("9" * 101 + ": 1\n") == [("SPEC009", 1, 1, "a number of 101 characters (limit 100)")]


@pytest.mark.parametrize("text", ["9" * 101, "-" + "9" * 100, "0x" + "f" * 99, "0o" + "7" * 99, "0." + "1" * 99])
def test_long_numbers(parser, text):
    document = parse(f"a: {text}\nb: 1\n", "t")
    assert document.data == {"a": BROKEN, "b": 1}
    assert [(d.code, d.message) for d in document.errors] == [
        ("SPEC009", f"a number of {len(text)} characters (limit 100)")
    ]


def test_floats_too_large(parser):
    assert told("a: -1e999\n") == [("SPEC009", 1, 4, "-1e999 is too large for a float")]


def test_control_characters_by_escape(parser):
    document = parse('a: "x\\ty\\nz"\nb: "\\x1b[2J"\n"\\0": 1\nc: 2\n', "t")
    assert document.data == {"a": "x\ty\nz", "b": BROKEN, "c": 2}
    assert [d.message for d in document.errors] == [
        "the text holds the control character U+001B", "the text holds the control character U+0000",
    ]  # fmt: skip


def test_independent_mistakes_are_told_together_and_in_order(parser):
    text = "a: &x 1\nb: {c: $(f(1, 2)), c: 3}\na: 2\nd: !t 1\nf: 012\ng: g: h\n"
    assert [(code, line) for code, line, _, _ in told(text)] == [
        ("SPEC005", 1), ("SPEC006", 2), ("SPEC004", 2), ("SPEC004", 3), ("SPEC005", 4), ("SPEC002", 6),
    ]  # fmt: skip


def test_the_hundredth_mistake_ends_the_reading(parser):
    found = told("a: 1\n" * 500)
    assert len(found) == 101
    assert found[-1][0] == "SPEC003"
    assert found[-1][3] == "100 mistakes up to here: the rest was not read"


# Expressions that YAML takes apart


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
    ((code, line, _, message),) = told(text)
    assert (code, line) == ("SPEC006", 1)
    assert message.endswith("is not closed")


def test_many_torn_expressions(parser):
    found = told("[" + "$(a,b), " * 200 + "]")
    assert [f[0] for f in found] == ["SPEC006"] * 100 + ["SPEC003"]


def test_many_directives(parser):
    found = told("%FOO\n" * 200 + "--- a\n")
    assert [f[0] for f in found] == ["SPEC005"] * 100 + ["SPEC003"]


def test_directives_after_the_document(parser):
    assert told("a: 1\n...\n%FOO\n---\nb: 1\n")[0][:2] == ("SPEC005", 3)


def test_torn_expressions_hide_nothing_else(parser):
    text = "a: [$x[0], 1]\nb: {c: $(f(1, 2)), c: 1}\nd: [$y[1], $(z[2])]\nb: 3\ne: f: g\n"
    assert [(code, line, column) for code, line, column, _ in told(text)] == [
        ("SPEC006", 1, 5), ("SPEC006", 2, 8), ("SPEC004", 2, 20), ("SPEC006", 3, 5), ("SPEC006", 3, 12),
        ("SPEC004", 4, 1), ("SPEC002", 5, 5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["a: $(max(c, 8))", "[$(a + b), '$(max(c, 8))', \"$(x[0])\"]", "a: x $(", "a: $(a))", "# $(\na: 1", "a: $x[0]"],
)
def test_what_is_whole_is_left_alone(parser, text):
    assert told(text) == []


# What stops the reading


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a:\n\tb: 1\n", (2, 1), "a tab cannot indent a line"),
        ("a: 1\nb:2\nc: 3\n", (2, 2), "no space after `:`"),
        ("{a:[1]}\n", (1, 3), "no space after `:`"),
        ("a: b: c\n", (1, 5), "a second `:` in one line's value"),
        ("a: 1\n  b: 2\n", (2, 3), "`b` is indented under a line that already has a value"),
        ("a:\n  - b\n    c: 2\n", (3, 5), "`c` is indented under a line that already has a value"),
        ("word\nb: 2\n", (1, 1), "a key without `:`"),
        ("a: 1\nword\nb: 2\n", (2, 1), "a key without `:`"),
        ("a:\n    b: 1\n  c: 2\n", (3, 3), "this line's indentation fits nothing above it"),
        ("a: 1\n- b\n", (2, 1), "this line's indentation fits nothing above it"),
        ("a: [1, 2\nb: 3\n", (1, 4), "the `[` opened here is not closed"),
        ("a:\n  - {x: 1\n", (2, 5), "the `{` opened here is not closed"),
        ("a: {b: 1]\n", (1, 9), "`]` where `}` should be"),
        ("{\n a: 1\n b: 2\n}\n", (3, 3), "a `,` or `}` is missing before this"),
        ("a:\n  b\n\t c\n", (3, 1), "a tab cannot indent a line"),
        ("a: [1, '2' 3]\n", (1, 12), "a `,` or `]` is missing before this"),
        ("a: 'x\nb: 1\n", (1, 4), "the quote opened here is not closed"),
        ('a: "x\nb: "y"\n', (1, 4), "the quote opened here is closed on line 2 only"),
        ("a: 'it's'\n", (1, 8), "the quoted text ends before this"),
        ('a: "x" y\n', (1, 8), "the quoted text ends before this"),
        ("a: @x\n", (1, 4), "a value cannot start with `@`"),
        ("a: `x`\n", (1, 4), "a value cannot start with a backtick"),
        ("a: [%x]\n", (1, 5), "a value cannot start with `%`"),
        ('a: "\\q"\n', (1, 5), "not an escape that YAML knows"),
        ("a: - b\n", (1, 4), "a list with `-` cannot start here"),
        ("a: ]\n", (1, 4), "`]` closes what was not opened"),
        ("a: [,]\n", (1, 5), "no value before this `,`"),
        (": x\n", (1, 1), "no key before this `:`"),
        ("[a]\nb: 1\n", (2, 1), "text after the end of the whole value"),
        ("a: |x\n  y\n", (1, 5), "not the head of a block text (`|` or `>`)"),
    ],
)
def test_syntax_errors(parser, text, place, message):
    assert told(text) == [("SPEC002", *place, message)]
    assert all(hints(text))


@pytest.mark.parametrize(("text", "column"), [("a: *\n", 4), ("a: [& x]\n", 5), ("a: !e!x 1\n", 4), ("a: !<x 1\n", 4)])
def test_broken_anchors_and_tags(parser, text, column):
    ((code, line, where, _),) = told(text)
    assert (code, line, where) == ("SPEC005", 1, column)


def test_a_syntax_error_at_the_end_is_shown_on_a_line_with_text(parser):
    ((_, line, _, _),) = told("a: 1\nb:\n  'x': [1,\n\n\n")
    assert line == 3


def test_mistakes_before_a_syntax_error_are_told_with_it(parser):
    assert [f[:3] for f in told("a: 1\na: 2\nb: c: d\n")] == [("SPEC004", 2, 1), ("SPEC002", 3, 5)]


# Limits


def test_depth(parser):
    assert told("a: " + "[" * 63 + "]" * 63) == []
    assert told("a: " + "[" * 64 + "]" * 64) == [("SPEC003", 1, 67, "nested deeper than 64 levels")]
    assert told("a: [[1]]", max_depth=2)[0][0] == "SPEC003"


def test_events(parser):
    text = "a: [1, 2]"  # stream, document, mapping, key, list, 1, 2 and five ends
    assert told(text, max_events=11) == []
    for limit in range(1, 11):
        ((code, line, _, message),) = told(text, max_events=limit)
        assert (code, line, message) == ("SPEC003", 1, f"more than {limit} YAML events")
    assert told(text, max_events=6) == [("SPEC003", 1, 8, "more than 6 YAML events")]


@pytest.mark.parametrize("make", [str, str.encode])
def test_size(make):
    text = make("a: é\n")
    assert told(text, max_bytes=6) == []
    assert told(text, max_bytes=5) == [("SPEC003", None, None, "t.yaml: larger than 5 bytes")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: \xff\n", "t.yaml: not UTF-8: byte 0xff at offset 8, line 2"),
        ("a: 1".encode("utf-16"), "t.yaml: not UTF-8: byte 0xff at offset 0, line 1"),
        (b"a: \xed\xa0\x80", "t.yaml: not UTF-8: byte 0xed at offset 3, line 1"),
    ],
)
def test_encoding(content, message):
    assert told(content) == [("SPEC007", None, None, message)]


@pytest.mark.parametrize(
    "char", ["\0", "\a", "\x0b", "\x0c", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\ud800"]
)
def test_control_characters(parser, char):
    assert told(f"a: 1\nbé: x{char}\n") == [
        ("SPEC007", 2, 6, f"the control character U+{ord(char):04X} is not allowed")
    ]


# Files


def test_a_file_is_read_under_the_name_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_bytes("\ufeffa: é\n".encode())
    assert read("x.yaml").data == read(Path("x.yaml")).data == {"a": "é"}
    assert read("x.yaml").span(("a",)).path == "x.yaml"


def _refused(path, **limits):
    with pytest.raises(SpecError) as caught:
        read(path, Limits(**limits))
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code, diagnostic.message


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("large").write_bytes(b"#" * 2000)
    Path("loop").symlink_to("loop")
    assert _refused("none.yaml") == ("SPEC001", "none.yaml: no such file")
    assert _refused("large/x.yaml") == ("SPEC001", "large/x.yaml: not a directory")
    assert _refused(".") == ("SPEC001", ".: is a folder, not a file")
    assert _refused("pipe") == ("SPEC001", "pipe: is not a regular file")
    assert _refused("/dev/zero") == ("SPEC001", "/dev/zero: is not a regular file")
    assert _refused("loop")[0] == "SPEC001"
    assert _refused("nul\0.yaml")[0] == "SPEC001"
    assert _refused("x" * 5000)[0] == "SPEC001"
    assert _refused("large", max_bytes=1999) == ("SPEC003", "large: larger than 1,999 bytes")
    assert read("large", Limits(max_bytes=2000)).data is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "x.yaml"
    path.touch(0o000)
    assert _refused(path) == ("SPEC001", f"{path}: permission denied")


def test_a_name_that_would_speak_to_the_terminal(tmp_path):
    assert _refused(str(tmp_path / "a\x1b[2Jb"))[1].endswith("a?[2Jb: no such file")


# Data made in Python


def test_python_data_is_copied_and_has_no_places():
    inner = [1, 2.5, None, True, "x"]
    document = document_of({"a": inner, "b": {"c": (1, 2)}}, "made")
    inner.append(6)
    assert document.data == {"a": [1, 2.5, None, True, "x"], "b": {"c": [1, 2]}}
    assert document.span(("a", 0)) is None
    assert document.part(("a", 4), 0) is None
    assert (document.name, document.errors) == ("made", ())


def _endless():
    data = []
    data.append(data)
    return data


def _doubling():
    data = [1]
    for _ in range(60):
        data = [data, data]
    return data


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        ({"a": {1: 2}}, "SPEC008", "a: the key 1 is not a text"),
        ({"a": [{1, 2}]}, "SPEC009", "a.0: set is not plain data"),
        (object(), "SPEC009", "the data: object is not plain data"),
        ({"a": Path("x")}, "SPEC009", "is not plain data"),
        ({"a": 10**100}, "SPEC009", "a: a number of more than 100 digits"),
        ({"a": ["x\x1b"]}, "SPEC007", "a.0: the text holds the control character U+001B"),
        ({"x\0": 1}, "SPEC007", "the text holds the control character U+0000"),
        (_endless(), "SPEC003", "the data is nested deeper than 64 levels"),
        (_doubling(), "SPEC003", "the data has more than 100000 values"),
        ([0] * 100_000, "SPEC003", "the data has more than 100000 values"),
    ],
)
def test_python_data_that_is_not_plain(data, code, message):
    with pytest.raises(SpecError) as caught:
        document_of(data)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert message in diagnostic.message


# The sentinel, and what is imported


def test_broken_is_one_of_a_kind():
    assert copy.deepcopy([BROKEN])[0] is pickle.loads(pickle.dumps(BROKEN)) is BROKEN
    assert f"{BROKEN} {BROKEN!r}" == "BROKEN BROKEN"


def test_documents_can_be_pickled():
    document = parse(EXAMPLE, "t")
    again = pickle.loads(pickle.dumps(document))
    assert again.data == document.data
    assert again.span(("name",)) == document.span(("name",))


def test_reading_imports_neither_torch_nor_pydantic():
    heavy = "{'torch', 'pydantic', 'rich'} & set(sys.modules)"
    code = f"import sys, archspec.source, archspec.expressions; print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_libyaml_is_used_where_it_is(monkeypatch):
    assert load._event_parser().__name__ == "CParser"
    monkeypatch.setitem(sys.modules, "yaml._yaml", None)
    assert load._event_parser() is PureParser
