"""Scalars: YAML 1.2's core schema, with both of PyYAML's parsers."""

from __future__ import annotations

import math

import pytest

from archspec.source import parse


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
