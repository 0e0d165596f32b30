"""Limits of a text."""

from __future__ import annotations

import pytest

from tests.source.helpers import mistakes


def test_depth(parser):
    assert mistakes("a: " + "[" * 63 + "]" * 63) == []
    assert mistakes("a: " + "[" * 64 + "]" * 64) == [("SPEC003", 1, 67, "nested deeper than 64 levels")]
    assert mistakes("a: [[1]]", max_depth=2)[0][0] == "SPEC003"


def test_events(parser):
    text = "a: [1, 2]"  # stream, document, mapping, key, list, 1, 2 and five ends
    assert mistakes(text, max_events=11) == []
    for limit in range(1, 11):
        ((code, line, _, message),) = mistakes(text, max_events=limit)
        assert (code, line, message) == ("SPEC003", 1, f"more than {limit} YAML events")
    assert mistakes(text, max_events=6) == [("SPEC003", 1, 8, "more than 6 YAML events")]


@pytest.mark.parametrize("make", [str, str.encode])
def test_size(make):
    text = make("a: é\n")
    assert mistakes(text, max_bytes=6) == []
    assert mistakes(text, max_bytes=5) == [("SPEC003", None, None, "t.yaml: larger than 5 bytes")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: \xff\n", "t.yaml: not UTF-8: byte 0xff at offset 8, line 2"),
        ("a: 1".encode("utf-16"), "t.yaml: not UTF-8: byte 0xff at offset 0, line 1"),
        (b"a: \xed\xa0\x80", "t.yaml: not UTF-8: byte 0xed at offset 3, line 1"),
    ],
)
def test_encoding(content, message):
    assert mistakes(content) == [("SPEC007", None, None, message)]


@pytest.mark.parametrize(
    "char", ["\0", "\a", "\x0b", "\x0c", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\ud800"]
)
def test_control_characters(parser, char):
    assert mistakes(f"a: 1\nbé: x{char}\n") == [
        ("SPEC007", 2, 6, f"the control character U+{ord(char):04X} is not allowed")
    ]
