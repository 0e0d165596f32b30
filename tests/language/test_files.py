"""A file's keys, variants, libraries, overrides, and the fence around what a spec may read."""

from __future__ import annotations

import os

import pytest

import archspec
from archspec.source import dump
from tests.helpers import assert_errors, assert_marked, layers, marked, shapes, spec, write

HEAD = "archspec: 1\ninput: [3, 8, 8]\n"
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


# -- keys --------------------------------------------------------------------------------------------------------


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


# -- variants ----------------------------------------------------------------------------------------------------


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


# -- libraries -----------------------------------------------------------------------------------------------------


LIBRARY = "archspec: 1\nvars: {k: 3}\nblocks:\n  conv: {params: {c: int}, body: [conv2d: {out_channels: $c, kernel_size: $k}]}\n"


def test_a_library_has_its_own_vars(tmp_path):
    path = write(tmp_path, {
        "net.yaml": HEAD + "vars: {k: 5}\nuse: lib.yaml\nstages: {a: {conv: $k}}\n", "lib.yaml": LIBRARY,
    })
    assert shapes(path) == {"a": (5, 6, 6)}


def test_a_name_means_what_it_means_in_the_file_that_writes_it(tmp_path):
    path = write(tmp_path, {
        "net.yaml": HEAD + "use: lib.yaml\nblocks: {act: tanh}\nstages: {a: [both, act]}\n",
        "lib.yaml": "archspec: 1\nblocks: {both: [act], act: sigmoid}\n",
    })
    assert layers(path) == ["a.both_1.act_1 sigmoid", "a.act_1 tanh"]


def test_own_blocks_come_before_those_of_use_and_these_before_standard_ones(tmp_path):
    path = write(tmp_path, {
        "net.yaml": HEAD + "use: lib.yaml\nstages: {a: residual}\n", "lib.yaml": "archspec: 1\nblocks: {residual: tanh}\n",
    })
    assert layers(path) == ["a tanh"]
    own = write(tmp_path, {"own.yaml": HEAD + "use: lib.yaml\nblocks: {residual: relu}\nstages: {a: residual}\n"})
    assert layers(own) == ["a relu"]


def test_libraries_of_libraries_are_not_seen(tmp_path):
    path = write(tmp_path, {
        "net.yaml": HEAD + "use: one.yaml\nstages: {a: [outer], b: inner_block}\n",
        "one.yaml": "archspec: 1\nuse: two.yaml\nblocks: {outer: [inner_block]}\n",
        "two.yaml": "archspec: 1\nblocks: {inner_block: tanh}\n",
    })
    (found,) = archspec.check(path)
    assert (found.code, found.message) == ("SPEC020", "no op or block `inner_block`")


def test_one_block_from_two_libraries(tmp_path):
    path = write(tmp_path, {
        "net.yaml": HEAD + "use: [one.yaml, two.yaml]\nstages: {a: act}\n",
        "one.yaml": "archspec: 1\nblocks: {act: relu}\n", "two.yaml": "archspec: 1\nblocks: {act: tanh}\n",
    })
    (found,) = archspec.check(path)
    assert (found.code, found.message) == ("SPEC027", "block `act` comes from two libraries")
    assert found.span is not None and (found.span.line, found.span.column) == (3, 17)
    twice = write(tmp_path, {"n2.yaml": HEAD + "use: [one.yaml, one.yaml]\nstages: {a: act}\n"})
    assert archspec.check(twice) == ()


def test_use_in_a_circle(tmp_path):
    path = write(tmp_path, {
        "net.yaml": HEAD + "use: one.yaml\nstages: {a: relu}\n", "one.yaml": "archspec: 1\nuse: two.yaml\nblocks: {x: relu}\n",
        "two.yaml": "archspec: 1\nuse: one.yaml\nblocks: {y: relu}\n",
    })
    (found,) = archspec.check(path)
    assert found.code == "SPEC026" and "circular `use`" in found.message


def test_a_library_does_not_extend(tmp_path):
    path = write(tmp_path, {
        "net.yaml": HEAD + "use: lib.yaml\nstages: {a: x}\n", "lib.yaml": "archspec: 1\nextends: z.yaml\nblocks: {x: relu}\n",
    })
    (found,) = archspec.check(path)
    assert (found.code, found.message) == ("SPEC012", "a library cannot extend another file")


def test_a_mistake_in_a_library_is_told_where_it_is_when_no_call_is_to_blame(tmp_path):
    path = write(tmp_path, {
        "net.yaml": HEAD + "use: lib.yaml\nstages: {a: x, b: x}\n", "lib.yaml": "archspec: 1\nblocks: {x: [rellu]}\n",
    })
    (found,) = archspec.check(path)
    assert found.code == "SPEC020" and found.span is not None and found.span.path.endswith("lib.yaml")


def test_a_shape_error_in_a_library_is_shown_at_each_call(tmp_path):
    path = write(tmp_path, {
        "net.yaml": HEAD + "use: lib.yaml\nstages:\n  a: {add: {x: [shrink], y: [shrink]}}\n",
        "lib.yaml": "archspec: 1\nblocks: {shrink: [max_pool2d: 9]}\n",
    })
    found = archspec.check(path)
    assert [(d.code, d.span.line, d.span.column) for d in found if d.span] == [
        ("SHAPE101", 5, 17), ("SHAPE101", 5, 30),
    ]
    assert all([label.text for label in d.related] == ["in block `shrink`"] for d in found)


def test_a_library_that_cannot_be_read_excuses_its_callers(tmp_path):
    path = write(tmp_path, {"net.yaml": HEAD + "use: missing.yaml\nstages: {a: [some_block: 3, max_pool2d: 99]}\n"})
    (found,) = archspec.check(path)
    assert found.code == "SPEC050" and found.span is not None and (found.span.line, found.span.column) == (3, 6)


# -- the fence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["use", "extends"])
@pytest.mark.parametrize("name", ["../lib.yaml", "sub/../../lib.yaml", "/etc/passwd", "link.yaml", "linked/lib.yaml"])
def test_nothing_outside_the_folder_is_read(tmp_path, key, name):
    folder = tmp_path / "in"
    write(tmp_path, {"lib.yaml": LIBRARY})
    path = write(folder, {"net.yaml": HEAD + f"{key}: {name}\nstages: {{a: relu}}\n", "sub/x.yaml": LIBRARY})
    os.symlink(tmp_path / "lib.yaml", folder / "link.yaml")
    os.symlink(tmp_path, folder / "linked")
    (found,) = archspec.check(path)
    assert found.code == "SPEC050" and "is outside the spec's folder" in found.message
    assert found.hint == "move the file there, or allow its folder with `--include DIR`"


def test_an_included_folder_may_be_read(tmp_path):
    write(tmp_path / "libs", {"lib.yaml": LIBRARY})
    path = write(tmp_path / "in", {"net.yaml": HEAD + "use: ../libs/lib.yaml\nstages: {a: {conv: 2}}\n"})
    assert shapes(path, includes=[tmp_path / "libs"]) == {"a": (2, 6, 6)}


def test_folders_below_and_links_inside_may_be_read(tmp_path):
    path = write(tmp_path, {"net.yaml": HEAD + "use: sub/link.yaml\nstages: {a: {conv: 2}}\n", "sub/lib.yaml": LIBRARY})
    os.symlink(tmp_path / "sub" / "lib.yaml", tmp_path / "sub" / "link.yaml")
    assert shapes(path) == {"a": (2, 6, 6)}


@pytest.mark.parametrize("value", ["3", "[3]", "null", "''", "true", '"a\\0b"'])
@pytest.mark.parametrize("key", ["use", "extends"])
def test_what_is_no_path(tmp_path, key, value):
    path = write(tmp_path, {"net.yaml": HEAD + f"{key}: {value}\nstages: {{a: relu}}\n"})
    assert [d.code for d in archspec.check(path)] in (["SPEC050"], ["SPEC007"])


def test_a_circle_of_links(tmp_path):
    os.symlink(tmp_path / "b.yaml", tmp_path / "a.yaml")
    os.symlink(tmp_path / "a.yaml", tmp_path / "b.yaml")
    path = write(tmp_path, {"net.yaml": HEAD + "use: a.yaml\nstages: {a: relu}\n"})
    assert [d.code for d in archspec.check(path)] == ["SPEC050"]


def test_at_most_32_files_are_read(tmp_path):
    files = {f"l{k}.yaml": f"archspec: 1\nblocks: {{b{k}: relu}}\n" for k in range(40)}
    names = ", ".join(files)
    path = write(tmp_path, {"net.yaml": HEAD + f"use: [{names}]\nstages: {{a: relu}}\n", **files})
    found = archspec.check(path)
    assert {d.code for d in found} == {"SPEC050"} and found[0].message == "more than 32 files are read for one spec"


# -- overrides -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sets", "shape"), [
    (["vars.c=5"], (5, 8, 8)), (["vars.c=$(2 * 4)"], (8, 8, 8)), (["vars.c=2", "vars.c=7"], (7, 8, 8)),
])
def test_set(sets, shape):
    text = spec("stages: {a: {conv2d: {out_channels: $c, kernel_size: 1}}}", "vars: {c: 3}\n")
    assert shapes(text, sets=sets) == {"a": shape}


@pytest.mark.parametrize(("sets", "code", "part"), [
    ("vars.cc=5", "SPEC010", "the spec has no var `cc`"), ("stages.a=relu", "SPEC012", "is not vars.NAME=VALUE"),
    ("vars.c", "SPEC012", "is not vars.NAME=VALUE"), ("vars.c=x", "SPEC012", "must be an integer, got \"x\""),
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


# -- a file that is not there --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "files", "hint"), [
    ("extends: base", ["base.yaml"], "write `base.yaml`"), ("use: sub/lib", ["sub/lib.yml"], "write `sub/lib.yml`"),
    ("extends: resnet18.yaml", [], "save what `archspec list specs resnet18` prints beside this file"),
    ("extends: resnet18", [], "save what `archspec list specs resnet18` prints beside this file"),
    ("use: resnet18", [], None), ("extends: nothing", [], None),
])
def test_the_hint_of_a_file_that_is_not_there(tmp_path, line, files, hint):
    path = write(tmp_path, {"net.yaml": HEAD + f"{line}\nstages: {{a: relu}}\n"} | dict.fromkeys(files, "archspec: 1\n"))
    (found,) = archspec.check(path)
    assert (found.code, found.hint) == ("SPEC050", hint)
