"""Merges whose branches have fixed names: their order, and mistakes in them."""

from __future__ import annotations

import pytest
import torch

import archspec
from tests.helpers import assert_marked, spec


def sequence(stages: str) -> str:
    return f"archspec: 1\ninput: [6, 8]\nstages: {{{stages}}}\n"


@pytest.mark.parametrize("branches", ["a: [], b: [tanh]", "b: [tanh], a: []"])
def test_the_names_say_which_is_taken_from_which(branches: str) -> None:
    model, x = archspec.build(archspec.load(spec(f"stages: {{s: {{sub: {{{branches}}}}}}}"))), torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(model(x), x - x.tanh())


def test_attention_of_a_sequence() -> None:
    text = sequence("s: [attention: {value: [linear: 3], query: [linear: 4], key: [linear: 4], bias: [linear: 6]}]")
    loaded = archspec.load(text)
    model, x = archspec.build(loaded), torch.randn(2, 6, 8)
    merge = model.s.attention_1
    expected = ((merge.query(x) @ merge.key(x).mT) / 2 + merge.bias(x)).softmax(-1) @ merge.value(x)
    torch.testing.assert_close(model(x), expected)
    assert loaded.report.output_shape == (6, 3)
    assert loaded.report.macs == 6 * 8 * (4 + 4 + 3 + 6) + 6 * 6 * (4 + 3)


@pytest.mark.parametrize(("merge", "message", "hint"), [
    ("sub: {a: [], «c»: [tanh]}", "`sub` has no branch `c`: it has the branches `a`, `b`", "name it `b`"),
    ("div: {a: [], b: [tanh], «c»: []}", "`div` has no branch `c`", "remove it"),
    ("«sub»: {a: [tanh]}", "`sub` lacks the branch `b`", "add `b: …`"),
    ("attention: {«querry»: [], key: [], value: []}", "has no branch `querry`", "a similar name exists: `query`"),
    ("sub: «[a, b]»", "the branches of `sub` have no names", "name them: `sub: {a: […], b: […]}`"),
    ("«attention»", "`attention` needs named branches", "write `attention: {query: […], key: […], value: […]}`"),
    ("«attention»: {query: []}", "`attention` lacks the branches `key`, `value`", "add `key: …, value: …`"),
    ("attention: {query: [], key: [], value: [], «mask»: [linear: 6]}", "has no branch `mask`", "name it `bias`"),
])  # fmt: skip
def test_wrong_names(merge: str, message: str, hint: str) -> None:
    (found,) = assert_marked(sequence(f"s: [{merge}]"), ("SPEC043", message))
    assert found.hint == hint


def test_two_wrong_names_are_taken_in_order() -> None:
    assert_marked(sequence("s: [sub: {«left»: [], «right»: [tanh]}, linear: 3], t: {max_pool2d: «2»}").replace("«2»", "2").replace(
        "max_pool2d", "«max_pool2d»"), ("SPEC043", "`left`"), ("SPEC043", "`right`"), ("SHAPE102", "needs an image"))


def test_inner_sizes_of_a_product_show_both_branches() -> None:
    text = sequence("s: [«matmul»: {a: [linear: 5], b: [linear: 5]}]")
    (found,) = assert_marked(text, ("SHAPE107", "disagree in the inner size, columns of `a` (5) and rows of `b` (6): (6, 5) and (6, 5)"))
    assert found.hint == "end `b` with `permute: [0, 2, 1]`" and found.fix is not None
    assert [label.text for label in found.related] == ["gives (6, 5)", "gives (6, 5)"]
    assert len({label.span.column for label in found.related if label.span}) == 2


def test_widths_of_query_and_key_show_both_branches() -> None:
    text = sequence("s: [«attention»: {query: [linear: 5], key: [linear: 4], value: []}]")
    (found,) = assert_marked(text, ("SHAPE107", "`query` and `key` disagree in width, the last dim: (6, 5) and (6, 4)"))
    assert found.hint == "end `key` with `linear: 5`" and found.fix is not None


def test_a_field_of_a_merge_is_corrected() -> None:
    text = sequence("s: [«attention»: {query: [], key: [], value: [], bias: [linear: 6], causal: true}]")
    (found,) = assert_marked(text, ("SHAPE102", "a `bias` excludes `causal`"))
    assert found.hint == "set causal to false" and found.fix is not None
