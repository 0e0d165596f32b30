"""Characters that look like others, or like nothing, are named, and the text is read as it was meant."""

from __future__ import annotations

import unicodedata

import pytest

from archspec.source import parse
from archspec.source.characters import invisible, odd
from tests.hints import applied
from tests.source.helpers import mistakes

SPACES = [chr(c) for c in range(0x80, 0x3001) if unicodedata.category(chr(c)) == "Zs"]
WIDTHLESS = [c for c in map(chr, range(0x80, 0x10000)) if unicodedata.category(c) == "Cf" and c != "\ufeff"]


@pytest.mark.parametrize(("char", "text"), [
    *((char, text) for char in (*SPACES, *WIDTHLESS[:8]) for text in ("a@: 1\nb: 2\n", "a: [x@]\nb: 2\n", "a: [1,@2]\nb: 2\n")),
    *((char, "a:\n@@c: 1\nb: 2\n") for char in SPACES),
], ids=ascii)
def test_every_invisible_character_is_named(parser, char, text):
    document = parse(text.replace("@", char), "t")
    assert {d.code for d in document.errors} == {"SPEC014"}
    assert all(f"U+{ord(char):04X} {unicodedata.name(char)}" in d.message for d in document.errors)
    assert document.data["b"] == 2
    assert document.errors[0].span.text == next(line for line in text.replace("@", char).split("\n") if char in line)
    mended = text.replace("@", char)
    for error in document.errors:
        mended = applied(mended, error.fix) if len(document.errors) == 1 else text.replace("@", " ")
    assert parse(mended, "t").errors == ()


def test_all_characters_of_the_two_kinds_are_known():
    assert all(invisible(f"a{c}b") for c in (*SPACES, *WIDTHLESS))


@pytest.mark.parametrize(("text", "data"), [
    ("a\uff1a 1\n", {"a": 1}), ("a:\n  \u2013 b\n  \u2013 c\n", {"a": ["b", "c"]}), ("a: \uff3bb\uff0c c\uff3d\n", {"a": ["b", "c"]}),
    ("a: \u22123\n", {"a": -3}), ("a: \uff11\uff12\n", {"a": 12}), ("\u0430a: 1\n", {"aa": 1}), ("a: $(2 \u00d7 b)\n", {"a": "$(2 * b)"}),
    ("a: \u201cb\u201d\n", {"a": "b"}), ("a: {b\uff1a 1}\n", {"a": {"b": 1}}), ("- conv\uff1a 8\n", [{"conv": 8}]),
    ("\uff04a: 1\n", {"$a": 1}), ("a: \uff5bb: 1\uff5d\n", {"a": {"b": 1}}),
])
def test_look_alikes(parser, text, data):
    document = parse(text, "t")
    assert document.data == data
    assert {d.code for d in document.errors} == {"SPEC014"}


@pytest.mark.parametrize("text", [
    "description: a\u00a0net \u2013 \u201cgood\u201d\uff1a yes\n", "name: caf\u00e9 \u2013 x\n", "a: 1 # \u2013 a\u00a0comment\n",
    "a: '\u201cquoted\u201d text'\n", "description: |\n  \u2013 an item\n  \u3000text\n", "train: {data: 'folder:im\u00a0g'}\n",
    "train: {data: folder:\u5199\u771f \u2013 1}\n", "a: a text \u2013 with a dash\n", "a: \u00e9t\u00e9\n", "a: 3\u00d73\n",
])
def test_what_may_stand_in_a_text(parser, text):
    assert mistakes(text) == []


def test_they_hide_nothing_else(parser):
    text = "a\uff1a 1\nb: [1\nc:\n\u3000d: 1\nb: 2\ne: x\u200b\n"
    assert [(code, line) for code, line, _, _ in mistakes(text)] == [
        ("SPEC014", 1), ("SPEC002", 2), ("SPEC014", 4), ("SPEC004", 5), ("SPEC014", 6),
    ]


def test_a_control_character_does_not_hide_the_rest(parser):
    assert [(code, line) for code, line, _, _ in mistakes("a: \x01b\na: 2\nc: \x02\n")] == [
        ("SPEC007", 1), ("SPEC004", 2), ("SPEC007", 3),
    ]


def test_a_plain_text_costs_nothing():
    assert odd("conv2d") == {} and odd("caf\u00e9", strict=False) == {}
