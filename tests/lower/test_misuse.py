"""A value that does not suit its use: shown where the mistake is, the var or the use of it."""

from __future__ import annotations

import pytest

from tests.helpers import assert_marked, spec


@pytest.mark.parametrize(("head", "stages", "message"), [
    ("vars: {act: relu}", "{a: [$act, linear: «$act»]}", ("SPEC012", "must be an integer, at least 1, got \"relu\"")),
    ("vars: {width: 16}", "{a: [linear: $width, dropout: «$width»]}", ("SPEC012", "must be from 0 to 1, got 16")),
    ("vars: {width: 16}", "{a: [linear: $(2 * width), «$width»]}", ("SPEC021", "`$width` is 16, not a layer")),
    ("vars: {act: relu}", "{a: [$act, {relu: , repeat: «$act»}]}", ("SPEC042", "`repeat` must be")),
    ("vars: {act: relu}", "{a: [$act, residual: «$act»]}", ("SPEC024", "must be an integer")),
    ("vars: {p: 0.5}", "{a: [dropout: $p, dropout: $p, linear: «$p»]}", ("SPEC012", "must be an integer, at least 1, got 0.5")),
])
def test_the_use_is_shown_where_the_var_is_used_elsewhere(head, stages, message):
    (found,) = assert_marked(spec(f"stages: {stages}", head + "\n"), message)
    assert found.related[-1].text.endswith(", and is also used elsewhere")


@pytest.mark.parametrize(("head", "stages", "message"), [
    ("vars: {n: «ten»}", "{a: [linear: $n]}", ("SPEC012", "must be an integer, at least 1, got \"ten\"")),
    ("vars: {n: «ten»}", "{a: [linear: $n, linear: $n]}", ("SPEC012", "must be an integer, at least 1, got \"ten\"")),
    ("vars: {n: «-1»}", "{a: {residual: $n}, b: [linear: $n]}", ("SPEC012", "")),
    ("vars: {n: «5»}", "{a: [$n]}", ("SPEC021", "not a layer")),
    ("vars: {block: «nope»}", "{a: [$block]}", ("SPEC020", "no op or block `nope`")),
])
def test_the_var_is_shown_where_every_use_of_it_fails(head, stages, message):
    (found,) = assert_marked(spec(f"stages: {stages}", head + "\n"), message)
    assert found.code == "SPEC020" or found.related


def test_every_wrong_use_is_told():
    text = spec("stages: {a: [$act, linear: «$act», dropout: «$act», linear: «$act»]}", "vars: {act: relu}\n")
    assert_marked(text, *[("SPEC012", "")] * 3)


def test_a_var_that_is_called_like_its_value_gets_no_dollar():
    (found,) = assert_marked(spec("stages: {a: [linear: $wide]}", "vars: {wide: «wide»}\n"), ("SPEC012", ""))
    assert found.hint is None
