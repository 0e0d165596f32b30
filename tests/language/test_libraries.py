"""Libraries of blocks: `use`, whose names mean what, and where mistakes in them are shown."""

from __future__ import annotations

import archspec
from tests.helpers import layers, shapes, write
from tests.language.helpers import HEAD, LIBRARY


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
