"""The canonical layout: stable, keeps meaning and comments, changes what looks odd."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from archspec.diagnostics import SpecError
from archspec.source import Limits, parse
from archspec.source.layout import WIDTH, formatted
from archspec.source.layout.printer import Printer
from tests.hostile.corpus import CASES
from tests.lower.test_fuzz import specs

ROOT = Path(__file__).parents[2]
SHIPPED = [
    *(ROOT / "specs").rglob("*.yaml"), *(ROOT / "archspec" / "stdlib").glob("*.yaml"),
    *(ROOT / "benchmarks" / "sweeps").glob("*.yaml"),
]
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
COMMENT = re.compile(r"#c\d+")


def once(text: str) -> str:
    """The layout of a text, which is its own layout."""
    result = formatted(text, "t.yaml")
    assert formatted(result, "t.yaml") == result
    return result


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_shipped_specs_are_in_layout(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(text, str(path)) == text


CHANGES = {
    "spaces": ("a:   {x:1.0 , y :  2}\nb: [ 1,2 ,3 ]\n".replace("x:1", "x: 1"), "a: {x: 1.0, y: 2}\nb: [1, 2, 3]\n"),
    "indentation": ("a:\n    b:\n    - relu\n    -   c: 1\n        d: 2\n",
                    "a:\n  b:\n    - relu\n    - c: 1\n      d: 2\n"),
    "dashes in dashes": ("a:\n- - x\n  - y\n-\n  - z\n", "a:\n  - - x\n    - y\n  - - z\n"),
    "empty lines": ("\n\na: 1\n\n\n\nb: 2\n\nc:\n\n  d: 1\n\n\n", "a: 1\n\nb: 2\n\nc:\n  d: 1\n"),
    "no end of line": ("a: 1", "a: 1\n"),
    "end of document": ("a: 1\n...\n# b\n", "a: 1\n# b\n"),
    "start of document": ("# x\n---   # y\na: 1\n", "# x\n---\n# y\na: 1\n"),
    "directive": ("%YAML 1.2\n---\na: 1\n", "%YAML 1.2\n---\na: 1\n"),
    "json": ('{"archspec": 1, "stages": {"a": ["relu", {"linear": 10}]}}',
             "archspec: 1\nstages: {a: [relu, {linear: 10}]}\n"),
    "quotes": ("a: 'relu'\nb: \"$x\"\nc: '1'\nd: \"no\"\ne: 'say \"a\"'\nf: 'a: b'\ng: \"\\u00e9\"\nh: \"аb\"\n",
               "a: relu\nb: $x\nc: \"1\"\nd: \"no\"\ne: 'say \"a\"'\nf: \"a: b\"\ng: \"\\u00e9\"\nh: \"аb\"\n"),
    "quotes that brackets need": ('a: {b: "$(max(c, 8))", c: "$(c + 8)"}\n', 'a: {b: "$(max(c, 8))", c: $(c + 8)}\n'),
    "pairs": ("a: [ x : 1, {y: 2}, ? z : 3 ]\n", "a: [x: 1, {y: 2}, z: 3]\n"),
    "explicit keys": ("? a\n: ? b\n  : 1\n", "a:\n  b: 1\n"),
    "nulls": ("a:\nb: {c, d: , e: }\nf: ~\ng: [null]\nh:\n  -\n", "a:\nb: {c, d: , e: }\nf: ~\ng: [null]\nh:\n  -\n"),
    "flow on several lines": ("a: {\n  b: [1,\n   2],\n  c: d\n   e,\n}\n", "a: {b: [1, 2], c: d e}\n"),
    "texts on several lines": ("a: one\n   two\n\n   three\nb: 'one\n  two'\nc:\n  one\n  two\n",
                               "a: one\n  two\n\n  three\nb: \"one two\"\nc: one two\n"),
    "texts with escapes": ('a: "one\\\n  two\\n\n  three"\n', 'a: "onetwo\\n three"\n'),
    "block texts": ("a: |   # why\n     one\n       two\n\n\nb:\n- >-\n one\n\n two\n",
                    "a: | # why\n  one\n    two\n\nb:\n  - >-\n    one\n\n    two\n"),
    "block texts with an indentation": ("a: |4+\n      one\n\n    two  \n\n\nb: 1\n", "a: |2+\n    one\n\n  two  \n\n\nb: 1\n"),
    "comments at the end": ("a:\n  b: 1\n  # of a\n # of c\nc: 1 #  x\n#end\n",
                            "a:\n  b: 1\n  # of a\n# of c\nc: 1 #  x\n#end\n"),
    "comments behind keys": ("a:   # x\n  b: 1\nc: # y\n  1\nd:\n  # z\n  - 1\ne:\n  # w\n  2\n",
                             "a: # x\n  b: 1\nc: 1 # y\nd:\n  # z\n  - 1\n# w\ne: 2\n"),
    "comments behind dashes": ("a:\n  - # x\n    b: 1\n  -\n    # y\n    c: 1\n  - # z\n    1\n",
                               "a:\n  - # x\n    b: 1\n  # y\n  - c: 1\n  - 1 # z\n"),
    "comments in brackets": ("a: [ # x\n  1, # y\n  # z\n  b: {c: 1}, # v\n  # u\n] # w\n",
                             "a: # x\n  - 1 # y\n  # z\n  - b: {c: 1} # v\n  # u\n# w\n"),
    "comments in empty brackets": ("a: [ # x\n ]\nb: {\n # y\n} # z\n", "a: [] # x\n# y\nb: {} # z\n"),
    "comments below each other": ("a: 1       # x\nbcd: 2     # y\n\nb: 1   # z\nd:  23 # u\ne: 1 # v\n",
                                  "a: 1   # x\nbcd: 2 # y\n\nb: 1  # z\nd: 23 # u\ne: 1 # v\n"),
    "comments of two lists": ("a:\n- 1\n# of b\nb:\n- 1\n  # of 1\n", "a:\n  - 1\n# of b\nb:\n  - 1\n  # of 1\n"),
    "only comments": ("# a\n\n\n# b\n", "# a\n\n# b\n"),
    "nothing": ("", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_changes(name: str, parser: str) -> None:
    text, expected = CHANGES[name]
    assert once(text) == expected


def test_a_long_mapping_becomes_a_block() -> None:
    fields = ", ".join(f"field_{k}: {k}" for k in range(12))
    text = f"stages:\n  a: [conv: {{{fields}}}, {{linear: 1, repeat: 2}}]\n"
    lines = once(text).splitlines()
    assert lines[1:4] == ["  a:", "    - conv:", "        field_0: 0"]
    assert lines[-1] == "    - {linear: 1, repeat: 2}"


def test_a_long_list_of_numbers_is_filled() -> None:
    text = f"grid:\n  train.lr: [{', '.join(str(k) for k in range(100))}] # rates\nb: 1\n"
    lines = once(text).splitlines()
    assert lines[1].startswith("  train.lr: [0, 1, 2, ") and lines[-2].endswith("98, 99] # rates")
    assert all(len(line) <= WIDTH for line in lines) and len(lines) < 8


@pytest.mark.parametrize("text", ["? {k}\n: 1\n", "a:\n  - ? {k}\n    : b: 1 # c\n", "a: {{? {k} : 1, b: 2}}\n", "a: [? {k} : [1]]\n"])
def test_a_key_that_is_longer_than_yaml_allows_without_a_mark(text: str) -> None:
    assert "? kkk" in once(text.format(k="k" * 1_500))


def test_line_ends_and_byte_order_mark_are_kept() -> None:
    assert formatted(b"\xef\xbb\xbfa:  1\r\nb: |\r\n   x\r\n   y\r\n", "t") == "\ufeffa: 1\r\nb: |\r\n  x\r\n  y\r\n"


@pytest.mark.parametrize("name", CASES)
def test_hostile_texts_are_refused_or_keep_their_meaning(name: str) -> None:
    try:
        result = formatted(CASES[name].content, name)
    except SpecError:
        pass
    else:
        assert formatted(result, name) == result


@RELAXED
@given(specs)
def test_specs_as_json(data: dict[str, object]) -> None:
    text = json.dumps(data, indent=1, ensure_ascii=False)
    try:
        parse(text, "t.yaml").errors or once(text)
    except SpecError as refused:
        assert refused.diagnostics  # a RuntimeError would say that the meaning changes


# -- texts in every style, with comments everywhere ----------------------------------------------------------------------

WORDS = st.sampled_from(["a", "b1", "relu", "$x", "$(x + 1)", "1", "1e-3", "no", "null", "a b", "x-y", "é", "~", "- x"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A mapping of anything, written in any style."""
    return Writer(draw).mapping(0, draw(st.integers(0, 4)))


class Writer:
    """Writes random data in random styles."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.comments = 0

    def chance(self, one_of: int) -> bool:
        return self.draw(st.integers(1, one_of)) == 1

    def end(self) -> str:
        """The end of a line, perhaps with a comment behind it and lines of comments below."""
        text = ""
        if self.chance(4):
            self.comments += 1
            text += f"{' ' * self.draw(st.integers(1, 3))}#c{self.comments}"
        text += "\n"
        while self.chance(5):
            self.comments += 1
            text += self.draw(st.sampled_from(["\n", "", f"{' ' * self.draw(st.integers(0, 6))}#c{self.comments}\n"]))
        return text

    def keys(self) -> list[str]:
        return self.draw(st.lists(st.sampled_from(["a", "'b'", '"c c"', "d", "$e", "? f"]), min_size=1, max_size=3, unique=True))

    def mapping(self, indent: int, depth: int) -> str:
        space = " " * indent
        lines = []
        for key in self.keys():
            if key == "? f":
                lines.append(f"{space}? f\n{space}:{self.value(indent, depth - 1)}")
            else:
                lines.append(f"{space}{key}:{self.value(indent, depth - 1)}")
        return "".join(lines)

    def value(self, indent: int, depth: int) -> str:
        """What follows a key's colon or a dash, line end included."""
        if depth > 0 and self.chance(2):
            inner = indent + self.draw(st.integers(1, 4))
            return self.end() + (self.mapping(inner, depth) if self.chance(2) else self.items(inner, depth))
        if self.chance(8):
            return f" {self.block_text(indent)}"
        if self.chance(5):
            return f"{self.end()}{' ' * (indent + 1)}{self.flow(indent + 1, depth)}{self.end()}"
        return f" {self.flow(indent + 1, depth)}{self.end()}"

    def items(self, indent: int, depth: int) -> str:
        space = " " * indent
        parts = []
        for _ in range(self.draw(st.integers(1, 3))):
            if depth > 1 and self.chance(3):
                parts.append(f"{space}- {self.mapping(indent + 2, depth - 1).lstrip(' ')}")
            else:
                parts.append(f"{space}-{self.value(indent, depth - 1)}")
        return "".join(parts)

    def block_text(self, indent: int) -> str:
        head = self.draw(st.sampled_from("|>")) + self.draw(st.sampled_from(["", "-", "+"]))
        space = " " * (indent + self.draw(st.integers(1, 3)))
        lines = self.draw(st.lists(st.sampled_from(["x", "  y ", "# z", ""]), max_size=4))
        rows = [f"{space}{line}" if line else "" for line in ["x", *lines]]
        return head + "\n" + "".join(f"{row}\n" for row in rows)

    def flow(self, indent: int, depth: int) -> str:
        gap = (lambda: f"{self.end()}{' ' * indent}") if self.chance(4) else (lambda: " " * self.draw(st.integers(0, 2)))
        kind = self.draw(st.integers(0, 3)) if depth > 0 else 2
        if kind == 0:
            pairs = [f"{gap()}{key.removeprefix('? ')}: {self.flow(indent, depth - 1)}{gap()}" for key in self.keys()]
            return f"{{{','.join(pairs)}}}"
        if kind == 1:
            values = [f"{gap()}{self.flow(indent, depth - 1)}{gap()}" for _ in range(self.draw(st.integers(0, 3)))]
            pair = [f"{gap()}p: {self.flow(indent, depth - 1)}"] if self.chance(3) else []
            return f"[{','.join(values + pair)}]"
        word, space = self.draw(WORDS), " " * indent
        if word == "- x" or self.chance(3):
            return self.draw(st.sampled_from([f"'{word}'", f'"{word}"', f'"{word}\n{space} x"', f"'{word}\n\n{space} y'"]))
        return word if kind == 2 else f"{word}\n{space} z"


@RELAXED
@given(texts())
@example("a:\n - #c1\n  a: #c2\n   'a' #c3\n")
@example("a:\n  - {a: 1, # x\n     b: 2}\n")
def test_any_style_keeps_data_and_comments(text: str) -> None:
    try:
        document = parse(text, "t.yaml")
    except SpecError:
        return
    if document.errors:
        return
    result = once(text)
    again = parse(result, "t.yaml")
    assert (json.dumps(again.data), again.errors) == (json.dumps(document.data), ())
    assert sorted(COMMENT.findall(result)) == sorted(COMMENT.findall(text))


def test_a_layout_that_changes_the_meaning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Printer, "print", lambda *_: "a: 2\n")
    with pytest.raises(RuntimeError, match=r"t\.yaml: formatting would change its meaning"):
        formatted("a: 1\n", "t.yaml")
    monkeypatch.setattr(Printer, "print", lambda *_: "a: 1\n")
    with pytest.raises(RuntimeError, match="formatting would change"):
        formatted("a: 1 # a comment\n", "t.yaml")


def test_a_layout_that_is_too_large_is_refused() -> None:
    with pytest.raises(SpecError, match="formatted, the text is larger than 40 bytes"):
        formatted("a:\n- b\n- b\n- b\n- b\n- b\n- b\n- b\n", "t.yaml", Limits(max_bytes=40))
