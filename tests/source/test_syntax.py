"""What stops the reading: YAML's own errors, translated."""

from __future__ import annotations

import pytest

from tests.source.helpers import hints, mistakes


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a:\n\tb: 1\n", (2, 1), "a tab cannot indent a line"),
        ("a: 1\nb:2\nc: 3\n", (2, 2), "no space after `:`"),
        ("{a:[1]}\n", (1, 3), "no space after `:`"),
        ("a: b: c\n", (1, 5), "a second `:` in the value of one line"),
        ("a: 1\n  b: 2\n", (2, 3), "`b` is indented under a line that already has a value"),
        ("a:\n  - b\n    c: 2\n", (3, 5), "`c` is indented under a line that already has a value"),
        ("word\nb: 2\n", (1, 1), "a key without `:`"),
        ("a: 1\nword\nb: 2\n", (2, 1), "a key without `:`"),
        ("a:\n    b: 1\n  c: 2\n", (3, 3), "this line's indentation matches no line above it"),
        ("a: 1\n- b\n", (2, 1), "this line's indentation matches no line above it"),
        ("a: [1, 2\nb: 3\n", (1, 4), "the `[` opened here is not closed"),
        ("a:\n  - {x: 1\n", (2, 5), "the `{` opened here is not closed"),
        ("a: {b: 1]\n", (1, 9), "`]` where `}` should be"),
        ("{\n a: 1\n b: 2\n}\n", (3, 3), "a `,` or `}` is missing before this"),
        ("a:\n  b\n\t c\n", (3, 1), "a tab cannot indent a line"),
        ("a: [1, '2' 3]\n", (1, 12), "a `,` or `]` is missing before this"),
        ("a: 'x\nb: 1\n", (1, 4), "the quote opened here is not closed"),
        ('a: "x\nb: "y"\n', (1, 4), "the quote opened here is closed only on line 2"),
        ("a: 'it's'\n", (1, 8), "the quoted text ends before this"),
        ('a: "x" y\n', (1, 8), "the quoted text ends before this"),
        ("a: @x\n", (1, 4), "a value cannot start with `@`"),
        ("a: `x`\n", (1, 4), "a value cannot start with a backtick"),
        ("a: [%x]\n", (1, 5), "a value cannot start with `%`"),
        ('a: "\\q"\n', (1, 5), "not a valid YAML escape"),
        ("a: - b\n", (1, 4), "a list with `-` cannot start here"),
        ("a: ]\n", (1, 4), "`]` was not opened"),
        ("a: [,]\n", (1, 5), "no value before this `,`"),
        (": x\n", (1, 1), "no key before this `:`"),
        ("[a]\nb: 1\n", (2, 1), "text after the end of the whole value"),
        ("a: |x\n  y\n", (1, 5), "not a valid header of a block text (`|` or `>`)"),
    ],
)
def test_syntax_errors(parser, text, place, message):
    assert mistakes(text) == [("SPEC002", *place, message)]
    assert all(hints(text))


@pytest.mark.parametrize(("text", "column"), [("a: *\n", 4), ("a: [& x]\n", 5), ("a: !e!x 1\n", 4), ("a: !<x 1\n", 4)])
def test_broken_anchors_and_tags(parser, text, column):
    ((code, line, where, _),) = mistakes(text)
    assert (code, line, where) == ("SPEC005", 1, column)


def test_a_syntax_error_at_the_end_is_shown_on_a_line_with_text(parser):
    ((_, line, _, _),) = mistakes("a: 1\nb:\n  'x': [1,\n\n\n")
    assert line == 3


def test_mistakes_before_a_syntax_error_are_told_with_it(parser):
    assert [f[:3] for f in mistakes("a: 1\na: 2\nb: c: d\n")] == [("SPEC004", 2, 1), ("SPEC002", 3, 5)]


@pytest.mark.parametrize(("text", "hint"), [
    ("a: 1\nword\nb: 2\n", "write `word:`"),
    ("body:\n  repeat: 3\n  relu\n", "write `relu:`"),
    ("a:\n  - repeat: 3\n    relu\n", "write `relu:` for a key, or `- relu` for the next item of the list"),
    ("a:\n  - conv2d:\n      x: 1\n    relu # after it\n", "write `relu:` for a key, or `- relu` for the next item of the list"),
    ("a:\n  - - b: 1\n      c\n", "write `c:` for a key, or `- c` for the next item of the list"),
    ("a:\n  - b: 1\nword\n", "write `word:`"),
    ("a: {b: 1}\nconv2d {c: 2}\n", "write `conv2d:`"),
])
def test_a_key_without_a_colon_is_named(parser, text, hint):
    assert [found[3] for found in mistakes(text)] == ["a key without `:`"]
    assert list(hints(text)) == [hint]
