"""Mistakes that do not stop the reading: told together, each at its place."""

from __future__ import annotations

import pytest

from archspec.diagnostics.edits import edited
from archspec.source import BROKEN, parse
from tests.helpers import labels
from tests.source.helpers import mistakes


def test_a_duplicate_key_is_told_where_it_stands_and_the_first_one_counts(parser):
    document = parse("a: 1\nb:\n  c: 2\n  c: [{d: 1, d: 2}]\n'a': 3\ne: 4\n", "t")
    assert document.data == {"a": 1, "b": {"c": 2}, "e": 4}
    assert [(d.code, d.span.line, d.span.column, d.message) for d in document.errors] == [
        ("SPEC004", 4, 3, "duplicate key `c`"),
        ("SPEC004", 4, 14, "duplicate key `d`"),
        ("SPEC004", 5, 1, "duplicate key `a`"),
    ]
    assert labels(document.errors[0]) == [(3, 3, "first written here")]


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
    assert mistakes("%YAML 1.2\n---\na: no\n") == []


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
    (found,) = mistakes(f"{key}\n: 1\nb: 2\n" if key == "? " else f"{key}: 1\nb: 2\n")
    assert (found[0], found[1], found[3]) == ("SPEC008", 1, message)
    assert parse(f'"{key}": 1\n', "t").data == {key: 1}


def test_a_key_without_its_space_takes_its_value_along(parser):
    document = parse("a: {out:64, k: 3}\n", "t")
    assert document.data == {"a": {"out": BROKEN, "k": 3}}
    assert mistakes("a: {out:64, k: 3}\n") == [("SPEC002", 1, 8, "no space after `:`")]


def test_a_long_number_as_a_key(parser):
    assert mistakes("9" * 101 + ": 1\n") == [("SPEC009", 1, 1, "a number of 101 characters (limit 100)")]


@pytest.mark.parametrize("text", ["9" * 101, "-" + "9" * 100, "0x" + "f" * 99, "0o" + "7" * 99, "0." + "1" * 99])
def test_long_numbers(parser, text):
    document = parse(f"a: {text}\nb: 1\n", "t")
    assert document.data == {"a": BROKEN, "b": 1}
    assert [(d.code, d.message) for d in document.errors] == [
        ("SPEC009", f"a number of {len(text)} characters (limit 100)")
    ]


def test_floats_too_large(parser):
    assert mistakes("a: -1e999\n") == [("SPEC009", 1, 4, "-1e999 is too large for a float")]


@pytest.mark.parametrize(("text", "data", "number"), [
    ("a: {lr: 0,1, k: 3}\n", {"a": {"lr": BROKEN, "k": 3}}, "0,1"),
    ("a: {k: 3, eps: 0,001}\n", {"a": {"k": 3, "eps": BROKEN}}, "0,001"),
    ("a: {k: 3, eps: -12,5e-3 }\n", {"a": {"k": 3, "eps": BROKEN}}, "-12,5e-3"),
    ("a: [dropout: 0,5, relu]\n", {"a": [{"dropout": BROKEN}, "relu"]}, "0,5"),
    ("a: {lr: 1,5: 2}\n", {"a": {"lr": 1, "5": 2}}, None),
    ("a: {lr: 1, 5: 2}\n", {"a": {"lr": 1, "5": 2}}, None),
    ("a: {lr: 1, 5}\n", {"a": {"lr": 1, "5": None}}, None),
    ("a: [0,5]\nb: [c: 1, 5]\n", {"a": [0, 5], "b": [{"c": 1}, 5]}, None),
    ("a: {b: x1,5}\n", {"a": {"b": "x1", "5": None}}, None),
    ("a: {b: 1.5,5}\n", {"a": {"b": 1.5, "5": None}}, None),
    ("a: {b: '1',5}\n", {"a": {"b": "1", "5": None}}, None),
    ("a: [[b: 1],5]\n", {"a": [[{"b": 1}], 5]}, None),
    ("a: 0,5\n", {"a": "0,5"}, None),
])
def test_decimal_commas_in_brackets(parser, text, data, number):
    document = parse(text, "t")
    assert document.data == data
    if number is None:
        assert not document.errors
        return
    (found,) = document.errors
    meant = number.replace(",", ".")
    assert (found.code, found.span.column, found.span.length) == ("SPEC009", text.index(number) + 1, len(number))
    assert found.hint == f"write `{meant}`"
    assert not parse(edited(text, found.fix.edits), "t").errors and edited(text, found.fix.edits) == text.replace(number, meant)


def test_control_characters_by_escape(parser):
    document = parse('a: "x\\ty\\nz"\nb: "\\x1b[2J"\n"\\0": 1\nc: 2\n', "t")
    assert document.data == {"a": "x\ty\nz", "b": BROKEN, "c": 2}
    assert [d.message for d in document.errors] == [
        "the text contains the control character U+001B", "the text contains the control character U+0000",
    ]  # fmt: skip


def test_independent_mistakes_are_told_together_and_in_order(parser):
    text = "a: &x 1\nb: {c: $(f(1, 2)), c: 3}\na: 2\nd: !t 1\nf: 012\ng: g: h\n"
    assert [(code, line) for code, line, _, _ in mistakes(text)] == [
        ("SPEC005", 1), ("SPEC006", 2), ("SPEC004", 2), ("SPEC004", 3), ("SPEC005", 4), ("SPEC002", 6),
    ]  # fmt: skip


def test_the_hundredth_mistake_ends_the_reading(parser):
    found = mistakes("a: 1\n" * 500)
    assert len(found) == 101
    assert found[-1][0] == "SPEC003"
    assert found[-1][3] == "100 mistakes up to here: the rest was not read"
