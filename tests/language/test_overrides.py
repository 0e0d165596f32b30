"""Overrides: `--set` and `--input`."""

from __future__ import annotations

import pytest

import archspec
from tests.helpers import shapes, spec


@pytest.mark.parametrize(("sets", "shape"), [
    (["vars.c=5"], (5, 8, 8)), (["vars.c=$(2 * 4)"], (8, 8, 8)), (["vars.c=2", "vars.c=7"], (7, 8, 8)),
])
def test_set(sets, shape):
    text = spec("stages: {a: {conv2d: {out_channels: $c, kernel_size: 1}}}", "vars: {c: 3}\n")
    assert shapes(text, sets=sets) == {"a": shape}


@pytest.mark.parametrize(("sets", "code", "part"), [
    ("vars.cc=5", "SPEC010", "the spec has no var `cc`"), ("stages.a=relu", "SPEC012", "is not vars.NAME=VALUE"),
    ("vars.c", "SPEC012", "is not vars.NAME=VALUE"), ("vars.c=x", "SPEC012", "must be an integer, at least 1, got \"x\""),
    ("vars.c=[1", "SPEC002", "not closed"), ("train.lr=0.1", "SPEC060", "has no `data`"),
])
def test_wrong_set(sets, code, part):
    text = spec("stages: {a: {conv2d: {out_channels: $c, kernel_size: 1}}}", "vars: {c: 3}\n")
    (found,) = archspec.check(text, sets=[sets])
    assert found.code == code and part in found.message, str(found)


@pytest.mark.parametrize(("sets", "hint"), [
    ("growth=24", "write `--set vars.growth_rate=24`"), ("var.growth_rate=8", "write `--set vars.growth_rate=8`"),
    ("batch_size=8", "write `--set train.batch_size=8`"), ("lr=0.1", "write `--set train.lr=0.1`"),
    ("rate=3", "write `--set vars.growth_rate=3`"), ("stages.a=relu", None), ("=3", None), ("vars.growth_rate", None),
])
def test_the_hint_of_an_override_without_its_section(sets, hint):
    text = spec("stages: {a: {conv2d: {out_channels: $growth_rate, kernel_size: 1}}}", "vars: {growth_rate: 3}\n")
    (found,) = archspec.check(text, sets=[sets])
    assert (found.code, found.hint) == ("SPEC012", hint)
    if hint:
        assert [d.code for d in archspec.check(text, sets=[hint.split()[2].strip("`")])] in ([], ["SPEC060"])


def test_a_wrong_override_is_told_at_the_override():
    text = spec("stages: {a: {conv2d: {out_channels: $c, kernel_size: 1}}}", "vars: {c: 3}\n")
    (found,) = archspec.check(text, sets=["vars.c=0"])
    assert found.span is not None and (found.span.path, found.span.text) == ("--set vars.c", "0")


def test_another_input():
    assert shapes(spec("stages: {a: {max_pool2d: 2}}"), input=(5, 4, 4)) == {"a": (5, 2, 2)}
    assert [d.code for d in archspec.check(spec("stages: {a: {max_pool2d: 9}}"), input=(5, 4, 4))] == ["SHAPE101"]


@pytest.mark.parametrize("options", [{"sets": ["train.lr=0.2"]}, {"sets": ["vars.rate=0.2"]}, {"input": (5, 4, 4)}])
def test_what_only_the_overridden_value_used_is_no_mistake(options):
    text = """\
archspec: 1
input: [$c, 8, 8]
vars: {c: 3, base: 0.1, rate: $(base / 2), n: 10}
stages: {a: [global_avg_pool2d, flatten, linear: 10]}
expect: {output: [$n]}
train: {data: cifar10, lr: $rate}
"""
    assert archspec.check(text) == ()
    loaded = archspec.load(text, **options)
    assert loaded.recipe().lr == (0.05 if "input" in options else 0.2)
    again = archspec.load(loaded.resolved_yaml())
    assert (again.recipe(), again.report.params) == (loaded.recipe(), loaded.report.params)


def test_a_var_that_nothing_used_is_told_with_an_override_too():
    text = spec("stages: {a: {conv2d: {out_channels: $c, kernel_size: 1}}}", "vars: {c: 3, d: 4}\n")
    assert [d.code for d in archspec.check(text, sets=["vars.c=5"])] == ["SPEC025"]
