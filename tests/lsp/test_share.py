"""`share` in an editor: completion, definition, uses, a new name, hover."""

from __future__ import annotations

import pytest

from archspec.diagnostics.edits import edited
from archspec.lsp.completion import complete
from archspec.lsp.definition import definition, references, rename
from archspec.lsp.hover import hover

from .helpers import at, marked

TEXT = """\
archspec: 1
input: [4, 16, 16]
stages:
  tower:
    - {conv2d: {out_channels: 4, kernel_size: 3}, name: first}
    - relu
  other: [{conv2d: {out_channels: 4, kernel_size: 3}, name: mine, from: input}, {linear: 14, repeat: 2, share: true}, {share: mine}, zero_pad2d: 1]
  twin: {share: tower, from: input}
  head: [add: {a: {from: tower}, b: [], c: {from: other}}, flatten, linear: 2]
"""


@pytest.mark.parametrize(("text", "there", "not_there"), [
    (TEXT.replace("share: tower", "share: ¦"), {"tower", "other"}, {"input", "twin", "head", "first", "relu"}),
    (TEXT.replace("{share: mine}", "{share: ¦}"), {"tower", "mine"}, {"input", "other", "first"}),
    (TEXT.replace("share: true", "share: ¦"), {"true", "false"}, {"tower", "mine"}),
    (TEXT.replace("    - relu", "    - ¦"), {"share", "relu"}, {"tower"}),
    (TEXT.replace("repeat: 2, share: true", "repeat: 2, ¦"), {"share", "when"}, {"conv2d", "repeat"}),
    (TEXT.replace("linear: 14", "linear: $in.¦"), {"shape", "channels"}, set()),
])
def test_what_is_offered(text: str, there: set[str], not_there: set[str]) -> None:
    offered = {one.label for one in complete(*marked(text))}
    assert there <= offered and not not_there & offered


def test_definition_and_uses() -> None:
    assert [(s.line, s.column) for s in definition(*at("share: tower", 8, TEXT))] == [(4, 3)]
    assert [(s.line, s.column) for s in definition(*at("share: mine", 8, TEXT))] == [(7, 61)]
    assert [s.line for s in references(*at("tower:", 1, TEXT))] == [4, 8, 9]


@pytest.mark.parametrize(("needle", "count"), [("tower:", 3), ("mine}", 2)])
def test_a_new_name(needle: str, count: int) -> None:
    edits = rename(*at(needle, 1, TEXT), "renamed")
    assert len(edits) == count
    text = edited(TEXT, edits)
    assert "share: renamed" in text and needle not in text


def test_hover() -> None:
    found = hover(*at("share: tower", 8, TEXT))
    assert found is not None
    assert "`twin`: (4, 16, 16) → (4, 14, 14), 0 params" in found.text and "shared with `tower`" in found.text
    key = hover(*at("share: true", 1, TEXT))
    assert key is not None and "all copies have one set of weights" in key.text
