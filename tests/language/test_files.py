"""A file's keys, variants, libraries, overrides, and the fence around what a spec may read."""

from __future__ import annotations

import pytest

import archspec
from archspec.source import dump
from tests.helpers import assert_errors, assert_marked, layers, marked, shapes, write
from tests.language.helpers import HEAD

BASE = """\
archspec: 1
name: base
description: the base
input: [3, 8, 8]
vars: {width: 4, size: 3}
blocks: {conv: {params: {c: int}, body: [conv2d: {out_channels: $c, kernel_size: $size}]}}
stages: {a: {conv: $width}, b: relu, c: tanh}
expect: {a: [4, 6, 6]}
train: {data: digits, lr: 0.1, epochs: 3}
recipes: {long: {epochs: 9}}
"""


def variant(tmp_path, text, base=BASE):
    return write(tmp_path, {"v.yaml": f"archspec: 1\nextends: base.yaml\n{text}", "base.yaml": base})


@pytest.mark.parametrize(("text", "code", "part"), [
    ("input: [3, 8, 8]\nstages: {a: relu}", "SPEC011", "the format version is missing"),
    ("archspec: «2»\ninput: [3, 8, 8]\nstages: {a: relu}", "SPEC013", "format version 2 is not supported"),
    ("archspec: «'1'»\ninput: [3, 8, 8]\nstages: {a: relu}", "SPEC013", 'format version "1" is not supported'),
    ("archspec: «1.0»\ninput: [3, 8, 8]\nstages: {a: relu}", "SPEC013", "format version 1.0"),
    ("archspec: «true»\ninput: [3, 8, 8]\nstages: {a: relu}", "SPEC013", "format version true"),
    (HEAD + "stages: «[relu]»", "SPEC012", "`stages` must be a mapping"),
    (HEAD + "«stagez»: {a: relu}", "SPEC010", "unknown key `stagez`"),
    (HEAD + "stages: {a: relu}\n«zzz»: 1", "SPEC010", "unknown key `zzz`"),
    (HEAD + "stages: {a: relu}\nname: «3»", "SPEC012", "`name` must be text, got 3"),
    (HEAD + "stages: {a: relu}\nname: «../../etc/x»", "SPEC022", "cannot name a file"),
    (HEAD + "stages: {a: relu}\nname: «..»", "SPEC022", "cannot name a file"),
    (HEAD + "stages: {a: relu}\ndescription: «[a]»", "SPEC012", "`description` must be text"),
    (HEAD + "stages: {a: relu}\nexpect: «3»", "SPEC012", "`expect` must be a mapping, got 3"),
    (HEAD + "stages: {a: relu}\nexpect: {«b»: [1]}", "SPEC010", "`expect` refers to an unknown stage `b`"),
    (HEAD + "stages: {a: relu}\nexpect: {a: «3»}", "SPEC012", "the expected shape of `a` must be a list of integers"),
    (HEAD + "stages: {a: relu}\nexpect: {a: «null»}", "SPEC012", "must be a list of integers, got null"),
    (HEAD + "stages: {a: relu}\nexpect: {params: «[1]»}", "SPEC012", "`params` must be an integer, got [1]"),
    (HEAD + "stages: {a: relu}\nexpect: {a: [$«in».channels]}", "SPEC031", "unknown name `in`"),
    ("archspec: 1\ninput: «3»\nstages: {a: relu}", "SPEC012", "`input` must be [channels, height, width], got 3"),
    ("archspec: 1\ninput: «[1, 2, 3, 4, 5]»\nstages: {a: relu}", "SPEC012", "`input` must be"),
    ("archspec: 1\ninput: «[3, 0, 8]»\nstages: {a: relu}", "SPEC012", "`input` must be"),
    ("archspec: 1\ninput: [3, $«nope», 8]\nstages: {a: relu}", "SPEC031", "unknown name `nope`"),
])
def test_wrong_keys(text, code, part):
    if "«" in text:
        assert_marked(text, (code, part))
    else:
        assert_errors(text, [(code, 1, 1, part)])


def test_a_file_without_a_network():
    (found,) = archspec.check("archspec: 1\nname: x\n")
    assert (found.code, found.message) == ("SPEC011", "the spec has no `input` and no `stages`")
    assert found.hint and "write `input: " in found.hint and "write `stages: " in found.hint


def test_the_name_is_the_file_s_stem(tmp_path):
    assert archspec.load(write(tmp_path, {"my net.yaml": HEAD + "stages: {a: relu}"})).name == "my net"
    assert archspec.load(write(tmp_path, {"x.yaml": HEAD + "name: y\nstages: {a: relu}"})).name == "y"


def test_a_variant_inherits(tmp_path):
    loaded = archspec.load(variant(tmp_path, "vars: {width: 5}\n"))
    assert (loaded.name, loaded.description) == ("v", "")
    assert loaded.report.shapes == {"a": (5, 6, 6), "b": (5, 6, 6), "c": (5, 6, 6)}
    assert "expect" not in loaded.data and loaded.recipe("long").epochs == 9


@pytest.mark.parametrize(("text", "expected"), [
    ("stages: {b: sigmoid}", ["a.conv2d_1 conv2d", "b sigmoid", "c tanh"]),
    ("stages: {b: null}", ["a.conv2d_1 conv2d", "c tanh"]),
    ("stages: {d: gelu}", ["a.conv2d_1 conv2d", "b relu", "c tanh", "d gelu"]),
    ("blocks: {conv: [max_pool2d: 2]}\nstages: {a: conv}\nvars: {width: null, size: null}",
     ["a.max_pool2d_1 max_pool2d", "b relu", "c tanh"]),
    ("input: [3, 9, 9]", ["a.conv2d_1 conv2d", "b relu", "c tanh"]),
])
def test_a_variant_replaces_whole_values(tmp_path, text, expected):
    assert layers(variant(tmp_path, text + "\n")) == expected


def test_train_and_recipes_merge_key_by_key(tmp_path):
    loaded = archspec.load(variant(tmp_path, "train: {lr: 0.5}\nrecipes: {long: null, short: {epochs: 1}}\n"))
    assert set(loaded.recipes) == {"train", "short"}
    assert (loaded.recipe().lr, loaded.recipe().epochs, loaded.recipe("short").epochs) == (0.5, 3, 1)


def test_a_variant_of_a_variant(tmp_path):
    path = write(tmp_path, {
        "z.yaml": "archspec: 1\nextends: v.yaml\nvars: {size: 1}\n",
        "v.yaml": "archspec: 1\nextends: base.yaml\nvars: {width: 6}\n", "base.yaml": BASE,
    })
    assert shapes(path)["a"] == (6, 8, 8)


@pytest.mark.parametrize(("text", "code", "part"), [
    ("stages: {«zz»: null}", "SPEC012", "there is no `zz` to remove from `stages`"),
    ("vars: {«extra»: 3}", "SPEC025", "nothing uses the var `extra`"),
    ("stages: {a: {linear: 3}, d: {«reluu»: }}", "SPEC020", "reluu"),
])
def test_wrong_variants(tmp_path, text, code, part):
    clean, spans = marked(f"archspec: 1\nextends: base.yaml\n{text}\n")
    path = write(tmp_path, {"v.yaml": clean, "base.yaml": BASE})
    found = [d for d in archspec.check(path) if d.code == code and part in d.message]
    assert [(d.span.line, d.span.column) for d in found if d.span] == [spans[0][:2]]


def test_a_var_of_the_base_that_the_variant_leaves_unused(tmp_path):
    path = variant(tmp_path, "stages: {a: {conv2d: {out_channels: 2, kernel_size: 3}}}\n")
    found = [d for d in archspec.check(path) if "`width`" in d.message]
    assert [d.code for d in found] == ["SPEC025"]
    assert found[0].hint == "remove it here: `vars: {width: null}`"


@pytest.mark.parametrize(("text", "recipes"), [
    ("recipes: null\n", {"train"}),
    ("recipes:\n", {"train"}),
    ("train: null\nrecipes: {own: {data: digits, lr: 0.5}, long: null}\n", {"own"}),
    ("train: null\nrecipes: null\n", set()),
    ("", {"train", "long"}),
])
def test_null_for_a_section_leaves_out_all_that_the_base_has_of_it(tmp_path, text, recipes):
    loaded = archspec.load(variant(tmp_path, text))
    assert set(loaded.recipes) == recipes
    assert archspec.load(dump(loaded.data)).recipes == loaded.recipes, "the resolved spec says the same"


def test_a_variant_of_a_variant_does_not_bring_them_back(tmp_path):
    path = write(tmp_path, {"w.yaml": "archspec: 1\nextends: v.yaml\n"})
    variant(tmp_path, "recipes: null\n")
    assert set(archspec.load(path).recipes) == {"train"}


def test_null_for_the_stages_leaves_nothing_to_check(tmp_path):
    base = "archspec: 1\ninput: [3, 8, 8]\nstages: {a: relu}\n"
    (found,) = archspec.check(variant(tmp_path, "stages: null\n", base))
    assert (found.code, found.message) == ("SPEC011", "the spec has no `stages`")


def test_extends_in_a_circle(tmp_path):
    path = write(tmp_path, {
        "a.yaml": "archspec: 1\nextends: b.yaml\n", "b.yaml": "archspec: 1\nextends: c.yaml\n",
        "c.yaml": "archspec: 1\nextends: b.yaml\n",
    })
    (found,) = archspec.check(path)
    assert found.code == "SPEC026" and "b.yaml → c.yaml → b.yaml" in found.message
    itself = write(tmp_path, {"s.yaml": "archspec: 1\nextends: s.yaml\n"})
    assert [d.code for d in archspec.check(itself)] == ["SPEC026"]


def test_a_mistake_of_the_base_is_told_in_the_base(tmp_path):
    (found,) = archspec.check(variant(tmp_path, "", BASE.replace("b: relu", "b: rellu")))
    assert found.span is not None and found.span.path.endswith("base.yaml") and found.span.line == 7
