"""Which files a spec may read: none outside its folder and the included ones."""

from __future__ import annotations

import os

import pytest

import archspec
from tests.helpers import shapes, write
from tests.language.helpers import HEAD, LIBRARY


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


@pytest.mark.parametrize(("line", "files", "hint"), [
    ("extends: base", ["base.yaml"], "write `base.yaml`"), ("use: sub/lib", ["sub/lib.yml"], "write `sub/lib.yml`"),
    ("extends: resnet18.yaml", [], "`archspec list specs resnet18 > resnet18.yaml` saves the spec shipped with archspec beside this file"),
    ("extends: resnet18", [], "`archspec list specs resnet18 > resnet18.yaml` saves the spec shipped with archspec beside this file"),
    ("use: resnet18", [], None), ("extends: nothing", [], None),
        ("extends: lenet_rel.yaml", ["lenet_relu.yaml"], "a similar name exists: `lenet_relu.yaml`"),
        ("use: sub/bloks.yaml", ["sub/blocks.yaml"], "a similar name exists: `sub/blocks.yaml`"),
        ("extends: net_c.yaml", ["net_a.yaml", "net_b.yaml"], "similar names: `net_a.yaml`, `net_b.yaml`"),
        ("extends: a.yaml", ["b.yaml"], None),  # only the endings are similar
])
def test_the_hint_of_a_file_that_is_not_there(tmp_path, line, files, hint):
    path = write(tmp_path, {"net.yaml": HEAD + f"{line}\nstages: {{a: relu}}\n"} | dict.fromkeys(files, "archspec: 1\n"))
    (found,) = archspec.check(path)
    assert (found.code, found.hint) == ("SPEC050", hint)
