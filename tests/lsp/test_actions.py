"""Quick fixes, formatting and the outline."""

from __future__ import annotations

from pathlib import Path

import pytest

import archspec
from archspec.diagnostics import SpecError
from archspec.diagnostics.edits import Replacement
from archspec.lsp.actions import fix_all, format_edits, place_in, quick_fixes
from archspec.lsp.outline import outline
from archspec.lsp.snapshot import snapshot
from archspec.lsp.text import lines_of
from archspec.source.layout import formatted

from .helpers import PAIR, SPEC, marked


def applied(text: str, changes: list[Replacement]) -> str:
    lines = lines_of(text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    for one in sorted(changes, key=lambda one: one.start, reverse=True):
        (a, b), (c, d) = one.start, one.end
        text = text[: starts[a] + b] + one.text + text[starts[c] + d :]
    return text


def test_a_quick_fix_makes_the_spec_valid() -> None:
    known, _ = marked(SPEC.replace("flatten", "flaten"))
    line = next(k for k, text in enumerate(known.lines) if "flaten" in text)
    (action,) = quick_fixes(known, line, line)
    assert action.title.startswith("A similar name exists") or "flatten" in action.title
    assert archspec.check(applied(known.text, list(action.changes[known.path]))) == ()
    assert quick_fixes(known, line + 1, line + 1) == []


def test_all_safe_fixes_at_once() -> None:
    known, _ = marked(SPEC.replace("name: tiny", "name:tiny").replace("bias", "bias"))
    action = fix_all(known)
    assert action is not None
    assert archspec.check(applied(known.text, list(action.changes[known.path]))) == ()
    assert fix_all(snapshot(known.path, SPEC)) is None


def test_a_fix_in_a_file_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(SPEC.replace("flatten", "flaten"))
    known = snapshot(tmp_path / "own.yaml", "archspec: 1\n\nextends: base.yaml\n")
    (diagnostic,) = known.diagnostics
    assert place_in(known, diagnostic) == 2
    (action,) = quick_fixes(known, 2, 2)
    (path,) = action.changes
    assert path == tmp_path / "base.yaml"


@pytest.mark.parametrize("text", [
    SPEC, "a:  1\nb: 2\n", "a: 1\nb:  2\n", "a: 1\nb:   2", "a: 1", "\n\na: 1\n\n\n\nb: 2", "a: 1\n\n\n", "a: 1\r\nb:  2\r\n", "",
    "a: [\n1]\n", "# x\n\n\n\n# y",
])
def test_format_edits_give_the_layout(text: str) -> None:
    known = snapshot(Path("/nowhere/a.yaml"), text)
    plain = "\n".join(known.lines)
    assert applied(plain, format_edits(known)) == formatted(plain, "a")


def test_a_text_with_mistakes_is_not_formatted() -> None:
    with pytest.raises(SpecError):
        format_edits(snapshot(Path("/nowhere/a.yaml"), "a: [1\n"))


def test_the_outline() -> None:
    symbols = {one.name: one for one in outline(snapshot(Path("/nowhere/a.yaml"), SPEC))}
    assert [one.name for one in symbols["stages"].children] == ["stem", "body", "head"]
    assert [(one.name, one.detail) for one in symbols["vars"].children] == [("width", "8"), ("double", "$(2 * width)")]
    pair = {one.name: one for one in outline(snapshot(Path("/nowhere/a.yaml"), PAIR))}
    assert [one.name for one in pair["input"].children] == ["left", "words"]
    body = symbols["stages"].children[1]
    assert (body.start, body.end) == ((12, 2), (14, 55))
    for one in symbols.values():
        assert one.start <= one.name_end <= one.end
        assert all(one.start <= child.start and child.end <= one.end for child in one.children)


@pytest.mark.parametrize("text", ["", "[1, 2]\n", "a: [", "stages: 3\n", "a: {b: *x}\n"])
def test_the_outline_of_what_is_not_a_spec(text: str) -> None:
    outline(snapshot(Path("/nowhere/a.yaml"), text))
