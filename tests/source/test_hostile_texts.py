"""Whatever bytes come in, reading gives a document or a SpecError, in bounded time and memory."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import textwrap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archspec.diagnostics import SpecError, render
from archspec.source import BROKEN, Document, dump, load, parse
from archspec.source.pure import PureParser
from tests.helpers import peak_memory_script
from tests.hostile.corpus import CASES

QUICK = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])

SPEC = """\
archspec: 1
name: tiny
description: "A net, with: signs"  # and a comment
input: [3, 224, 224]
vars: {block: basic, depths: [2, 2], rate: 1e-3}
blocks:
  basic:
    params: {channels: int, stride: 1, out: $(4 * channels)}
    body:
      - add:
          main: [conv_bn: [$channels, 3, $stride], relu, conv_bn: {channels: $channels}]
          shortcut:
            conv_bn: [$channels, 1, $stride]
            when: $(stride != 1 or in.channels != channels)
      - relu
stages:
  stem: [conv_bn: [64, 7, 2], relu, max_pool2d: {kernel_size: 3, padding: 1}]
  layer1: {$block: [64, "$(max(1, i))"], repeat: $depths.0}
  head: {linear: 10}
expect: {stem: [64, 56, 56], params: 11689512}
"""
PIECES = [
    "a", "b1", "é", "😀", " ", "  ", "\n", "\n  ", "\n- ", "\r", "\t", ": ", ":", ", ", ",", "- ", "-", "? ", "[", "]",
    "{", "}", "{a: ", "'", '"', "\\", "|", ">", "#", " #", "&a ", "*a", "!", "!!t ", "<<: ", "%", "@", "`", "$", "$(",
    "$x[", "$x", "(", ")",
    "1", "0x1", "1e3", ".inf", "null", "true", "---", "\n---\n", "...", "\n...\n", "~", "=", "<", ".", "/",
]  # fmt: skip


def outcome(content):
    """The document, or the diagnostics instead; every diagnostic must be whole."""
    try:
        document = parse(content, "t")
        diagnostics = document.errors
    except SpecError as exc:
        document, diagnostics = None, exc.diagnostics
        assert diagnostics
    lines = None if isinstance(content, bytes) else content
    for diagnostic in diagnostics:
        assert diagnostic.code.startswith("SPEC0")
        assert diagnostic.message[:1] == diagnostic.message[:1].lower() or diagnostic.message.startswith("YAML")
        assert not diagnostic.message.endswith(".") or diagnostic.message.endswith("…")
        span = diagnostic.span
        if span is not None:
            assert 1 <= span.column <= len(span.text) + 1
            assert span.length >= 1
            assert lines is None or span.text in lines
        assert "\x1b" not in render(diagnostic)
    return document, diagnostics


def check_tree(document: Document):
    """Data is plain, and every part of it has its place in the text."""
    stack = [((), document.data)]
    while stack:
        path, value = stack.pop()
        assert document.span(path) is not None
        if isinstance(value, dict):
            assert all(type(key) is str for key in value)
            assert all(document.span((*path, key), key=True) for key in value)
            stack += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            stack += [((*path, i), item) for i, item in enumerate(value)]
        else:
            assert value is None or value is BROKEN or type(value) in (str, int, float, bool)


@pytest.mark.parametrize("name", CASES)
def test_hostile_files(name):
    content, code = CASES[name]
    document, diagnostics = outcome(content)
    if code is None:
        assert document is not None
        assert diagnostics == ()
    else:
        assert code in {d.code for d in diagnostics}
    assert len(diagnostics) <= 101


def test_the_corpus_is_large_enough():
    assert len(CASES) >= 110
    assert len({case.content for case in CASES.values()}) == len(CASES)


def test_all_of_it_fits_the_memory_and_the_stack():
    """In a process of its own, since the peak of this one knows other tests: 300 MB, and no crash in C."""
    script = """
        from archspec.diagnostics import SpecError
        from archspec.source import parse
        from tests.hostile.corpus import CASES
        for name, (content, _) in CASES.items():
            try:
                parse(content, name)
            except SpecError as exc:
                str(exc)
        print(peak_memory_bytes())
    """
    run = [sys.executable, "-c", peak_memory_script() + textwrap.dedent(script)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300 * 10**6


@QUICK
@given(st.binary(max_size=400))
def test_random_bytes(content):
    document, _ = outcome(content)
    if document is not None:
        check_tree(document)


@QUICK
@given(st.text(max_size=200))
def test_random_text(content):
    document, _ = outcome(content)
    if document is not None:
        check_tree(document)


pieces = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@st.composite
def mutated(draw):
    """The spec with a few places cut, filled or doubled."""
    text = SPEC
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        filling = draw(st.lists(st.sampled_from(PIECES), max_size=3).map("".join))
        text = text[:start] + filling + text[end:]
    return text


@QUICK
@given(pieces | mutated())
def test_text_like_yaml(content):
    document, _ = outcome(content)
    if document is not None:
        check_tree(document)


@settings(QUICK, max_examples=300)
@given(pieces | mutated())
def test_both_parsers_read_the_same(content):
    """The same data and places where there is nothing to tell; else both have something to tell."""
    if re.search(r"[|>][-+0-9]*[#\t]", content):
        return  # libyaml lets a comment or a tab touch the head of a block text
    fast, fast_found = outcome(content)
    before = load.EVENT_PARSER
    load.EVENT_PARSER = PureParser
    try:
        pure, pure_found = outcome(content)
    finally:
        load.EVENT_PARSER = before
    assert bool(fast_found) == bool(pure_found)
    if not fast_found:
        assert repr(fast.data) == repr(pure.data)
        assert starts(fast) == starts(pure)


def starts(document):
    """Where the keys and values stand; the places of values that are not written are the parsers' own."""
    return [
        (path, key.line, key.column, (value.line, value.column) if at(document, path) is not None else None)
        for path, value, key in places(document)
        if path
    ]


def at(document, path):
    """The value at a path."""
    value = document.data
    for step in path:
        value = value[step]
    return value


def places(document):
    """Path → places of all keys and values."""
    found, stack = [], [((), document.data)]
    while stack:
        path, value = stack.pop()
        found.append((path, document.span(path), document.span(path, key=True)))
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        stack += [((*path, step), item) for step, item in items]
    return found


@QUICK
@given(mutated())
def test_what_is_marked_is_what_was_read(content):
    """A plain scalar of one line stands in its span as it is."""
    document, _ = outcome(content)
    if document is None:
        return
    mended = {d.span.line for d in document.errors if d.span} | document.guessed
    for path, span, _ in places(document):
        if span.line in mended:
            continue
        value = at(document, path)
        marked = span.text[span.column - 1 : span.column - 1 + span.length]
        if type(value) is str and value and marked[:1] not in ("'", '"', "|", ">") and "\n" not in value:
            assert value.startswith(marked.rstrip()) or marked.startswith(value) or marked[0] == "&"


# Writing


characters = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn"), exclude_characters="\ufeff")
texts = st.text(characters, max_size=150) | pieces
scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | texts
data = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(texts, inner, max_size=6), max_leaves=25
)


@QUICK
@given(data)
def test_what_is_written_is_read_back(value):
    text = dump(value)
    document = parse(text, "t")
    assert document.errors == ()
    assert repr(document.data) == repr(value)


@pytest.mark.parametrize(
    "text",
    ["no", "1e3", "0o17", "012", ".inf", "~", "", "null", "True", "a: b", "a #b", "- a", "x\ny", "\r", "$(f(a, b))"],
)
def test_texts_stay_texts(text):
    assert parse(dump({"a": [text], text: text}), "t").data == {"a": [text], text: text}


def test_nan_is_written():
    assert math.isnan(parse(dump({"a": math.nan}), "t").data["a"])


def test_a_spec_is_written_as_a_person_would():
    document = parse(SPEC, "t")
    assert dump(document.data) == SPEC.replace("  # and a comment", "").replace("1e-3", "0.001").replace(
        """\
          shortcut:
            conv_bn: [$channels, 1, $stride]
            when: $(stride != 1 or in.channels != channels)
""",
        """\
          shortcut: {conv_bn: [$channels, 1, $stride], when: $(stride != 1 or in.channels != channels)}
""",
    )
