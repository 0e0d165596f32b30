"""After a syntax error the text is read on: what stands before and after it is told, and keeps its place."""

from __future__ import annotations

import subprocess
import sys

import pytest

from archspec.source import BROKEN, Limits, parse
from archspec.source.report import MAX_ERRORS
from tests.source.helpers import marked, mistakes

BEFORE = "a: 1\na: 2\n"
AFTER = "y: &x 1\nz: 3\nz: {k: 4}\n"

SLIPS = [  # (broken lines, the value of `m`, line of the mistake in them)
    ("m:\n\tk: 1\n", {"k": 1}, 2),
    ("m:\n  k: 1\n\tl: 2\n\tn: 3\n", {"k": 1, "l": 2, "n": 3}, 3),
    ("m:1\n", 1, 1),
    ("m: {k:[1]}\n", {"k": [1]}, 1),
    ("m: k: 1\n", {"k": 1}, 1),
    ("m: k: 1}\n", {"k": 1}, 1),
    ("m: k: l: 1\n", "k: l: 1", 1),
    ("m 1\n", 1, 1),
    ("m [1, 2]\n", [1, 2], 1),
    ("m\n", None, 1),
    ("m:\n    k: 1\n  l: 2\n", {"k": 1, "l": 2}, 3),
    ("m:\n  k: 1\n   l: 2\n", {"k": 1, "l": 2}, 3),
    ("m: [1, 2\n", [1, 2], 1),
    ("m: [1, {k: 2\n", [1, {"k": 2}], 1),
    ("m: [1, {k: 2]\n", [1, {"k": 2}], 1),
    ("m: {k: 1]\n", {"k": 1}, 1),
    ("m: [1, 2]]\n", [1, 2], 1),
    ("m: [1 , '2' 3]\n", [1, "2", 3], 1),
    ("m: {k: 1 l: 2}\n", {"k": 1, "l": 2}, 1),
    ("m: [\n", [], 1),
    ("m:\n  k: [1,\n      2\n  l: 3\n", {"k": [1, 2], "l": 3}, 2),
    ("m: 'x\n", "x", 1),
    ("m: {k: \"x, l: 'y'}\n", {"k": "x", "l": "y"}, 1),
    ("m: 'it's'\n", "it's", 1),
    ("m: @x\n", "@x", 1),
    ("m: [`x`, 1]\n", ["`x`", 1], 1),
    ('m: "\\q"\n', "\\q", 1),
    ("m: - k\n", ["k"], 1),
    ("m: -\n", [], 1),
    ("m: -  # k\n", [], 1),
    ("m: [,]\n", [], 1),
    ("m: *\n", BROKEN, 1),
    ("m: [!<x 1, 2]\n", BROKEN, 1),
    ("m: |x\n  y\n", BROKEN, 1),
    ("m: ]\n", None, 1),
]


@pytest.mark.parametrize(("slip", "value", "line"), SLIPS, ids=[s[0] for s in SLIPS])
def test_what_stands_around_a_syntax_error_is_read(parser, slip, value, line):
    document = parse(BEFORE + slip + AFTER, "t")
    assert document.data == {"a": 1, "m": value, "y": 1, "z": 3} or value is BROKEN
    last = BEFORE.count("\n") + slip.count("\n")
    found = [(d.code, d.span.line) for d in document.errors]
    assert [found[0], *found[2:]] == [("SPEC004", 2), ("SPEC005", last + 1), ("SPEC004", last + 3)], found
    assert found[1][1] == 2 + line
    assert marked(document, ("z",), key=True) == "z"


@pytest.mark.parametrize(("slip", "value"), [(s[0], s[1]) for s in SLIPS if s[1] is not BROKEN], ids=str)
def test_the_fix_of_a_syntax_error_gives_what_was_read(parser, slip, value):
    document = parse(slip + "z: 1\n", "t")
    (error,) = document.errors
    assert error.fix is not None or value is None
    lines = [*slip.split("\n")[:-1], "z: 1"]
    for edit in reversed(error.fix.edits if error.fix else ()):
        row = lines[edit.span.line - 1]
        assert edit.span.text == row or len(error.fix.edits) > 1
        start = edit.span.column - 1
        lines[edit.span.line - 1] = row[:start] + edit.text + row[start + edit.span.length :]
    if error.fix is not None:
        mended = parse("\n".join(lines), "t")
        assert (mended.errors, mended.data) == ((), document.data)


def test_places_in_a_mended_line_are_those_of_the_text(parser):
    document = parse("m: k: {l: 1, n: 2}\nz: 1\n", "t")
    assert marked(document, ("m", "k", "n")) == "2"
    document = parse("m:\n\tk: word\n", "t")
    assert marked(document, ("m", "k")) == "word"


def test_several_syntax_errors_are_told_together(parser):
    text = "a: [1\nb:\n\tc: 1\nd: 'x\ne: f: g\nh: {i: 1]\nj: 1\n"
    assert [(code, line) for code, line, _, _ in mistakes(text)] == [("SPEC002", k) for k in (1, 3, 4, 5, 6)]
    assert parse(text, "t").data["j"] == 1


def test_a_line_is_told_once_though_it_stops_the_parser_more_often(parser):
    assert len(mistakes("a: [1, {b: 2, [c: }\nd: 1\n")) == 1


def test_words_that_were_left_out_are_known(parser):
    document = parse("a: |x $width\nb: 1\n", "t")
    assert "width" in document.lost


@pytest.mark.parametrize("line", ["a: [\n", "- {a: 'x\n", "a: b: c\n", "a: ]\n", "\ta: b: [\n", "&: {*\n"])
def test_many_broken_lines_end_in_bounded_work(parser, line):
    found = mistakes(line * 500, max_bytes=2**20)
    assert 1 <= len(found) <= MAX_ERRORS + 1


def test_a_large_text_with_a_syntax_error_is_told():
    text = "".join(f"k{n}: [1, 2, 3]\n" for n in range(15_000))
    found = mistakes(text + "a: [1\n" + "z: 1\n")
    assert [(code, line) for code, line, _, _ in found] == [("SPEC002", 15_001)]
    assert Limits().max_bytes > len(text)


def test_a_tab_is_the_only_thing_told_of_its_line(parser):
    assert mistakes("a:\n  b:\n    - c\n\t  - d\ne: 1\ne: 2\n") == [
        ("SPEC002", 4, 1, "a tab cannot indent a line"), ("SPEC004", 6, 1, "duplicate key `e`"),
    ]


def test_reading_what_is_whole_loads_nothing_of_the_recovery():
    code = "import sys, archspec; archspec.check(sys.argv[1]); print([m for m in sys.modules if m.endswith(('.mend', '.recover'))])"
    text = "archspec: 1\ninput: [1, 28, 28]\ndescription: 28\u00d728 \u2013 a text\nstages: {a: [flatten, linear: 10]}\n"
    run = subprocess.run([sys.executable, "-c", code, text], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
