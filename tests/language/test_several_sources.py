"""A list where `from` takes one name: the hint is a merge that is valid."""

import re

import pytest

import archspec

SPEC = "archspec: 1\ninput: [4, 8, 8]\nstages:\n  a: [conv2d: {out_channels: 4, kernel_size: 1}]\n  b: [relu]\n  c: [LAYER]\n"


@pytest.mark.parametrize(("layer", "kind"), [
    ("add: {from: [a, b]}", "add"), ("{add: , from: [a, b]}", "add"), ("{flatten: , from: [b, a]}", "concat"),
    ("mul: {from: [b, a]}", "mul"),
])
def test_the_hint_is_a_merge_of_both(layer, kind):
    (found,) = archspec.check(SPEC.replace("LAYER", layer))
    assert found.code == "SPEC021"
    ((merge, branches),) = re.findall(r"`(\w+): (\{.*\})`$", found.hint)
    assert merge == kind
    assert not archspec.check(SPEC.replace("LAYER", f"{merge}: {branches}"))


@pytest.mark.parametrize(("name", "hint"), [
    ("alpha_1.0", "give the layer that you mean a name, such as `name: out`, and write `from: out`"),
    ("a.out", "a similar name exists: `a`"), ("a_1", "a similar name exists: `a`"), ("alpha", "write `name: alpha` beside the layer that you mean"),
])
def test_a_letter_is_similar_to_nothing_longer(name, hint):
    (found,) = archspec.check(SPEC.replace("LAYER", f"{{relu: , from: {name}}}"))
    assert (found.code, found.hint) == ("SPEC040", hint)
