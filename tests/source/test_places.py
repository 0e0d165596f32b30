"""The place of every key and value in a text, with both parsers."""

from __future__ import annotations

import pytest

from archspec.source import parse
from tests.source.helpers import EXAMPLE, marked


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
