"""The registry knows all names from the start, and imports an op's file when its class is looked up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread
from types import ModuleType
from typing import Any

import pytest

import archspec
import archspec.ops
from archspec.ops import OPS
from archspec.ops.registry import Registry

FOLDER = Path(archspec.ops.__file__).parent
ROOT = FOLDER.parent.parent
TWO_OPS = '''
import time
from archspec.ops import Op
from registry_of_test import REGISTRY

time.sleep(0.05)

class First(Op):
    op = "first"
    infer = build = lambda self, x: (x,)

class Second(First):
    op = "second"

class Third(First):
    op = "third"

for cls in (First, Second):  # as the decorator does
    REGISTRY[cls.op] = cls
'''

def fresh(code: str, *arguments: str) -> str:
    """What a Python of its own prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(action: str) -> set[str]:
    """The files with ops that are imported after an action on `OPS`."""
    code = f"import sys\nfrom archspec.ops import OPS\nimport archspec\n{action}\nprint(*sys.modules)"
    files = {op.__module__ for op in OPS.values() if op.__module__.startswith("archspec.")}
    return {name.rpartition(".")[2] for name in files & set(fresh(code).split())}


def test_names_need_no_file() -> None:
    assert loaded("len(OPS), set(OPS), 'conv2d' in OPS, 'relu' in OPS.keys(), OPS.get('conv4d'), {'softmax'} - OPS.keys()") == set()


def test_a_class_needs_its_own_file() -> None:
    assert loaded("assert (OPS['dropout'].op, OPS.get('softmax').op) == ('dropout', 'softmax')") == {"dropout", "softmax"}


def test_a_spec_loads_the_files_of_its_ops_and_of_the_standard_blocks() -> None:
    own = {"conv", "activation", "pool", "shape", "linear"}
    assert own <= loaded("assert not archspec.check('specs/lenet.yaml')") <= own | {"merge", "batch_norm", "adaptive_pool"}


def test_the_classes_need_all_files() -> None:
    files = {file.stem for file in FOLDER.glob("*.py") if "\n@register_op\n" in file.read_text(encoding="utf-8")}
    assert loaded("list(OPS.values())") == files == loaded("from archspec.ops import *\nConv2d, Softmax, OPS, make_op")


def test_the_names_are_those_of_the_classes_in_the_order_of_the_files() -> None:
    code = "from archspec.ops import OPS\nfor name, op in OPS.items(): print(name, op.op, op.__module__)"
    rows = [line.split() for line in fresh(code).splitlines()]
    assert all(name == op for name, op, _ in rows)
    assert [module for _, _, module in rows] == sorted(module for _, _, module in rows)
    backwards = code.replace("\n", "\nfor name in reversed(list(OPS)): OPS[name]\n", 1)
    assert [line.split() for line in fresh(backwards).splitlines()] == rows


def test_each_class_is_found_by_its_name() -> None:
    for op in OPS.values():
        if op.__module__.startswith("archspec.ops."):
            assert getattr(archspec.ops, op.__name__) is op
            assert op.__name__ in dir(archspec.ops)
    with pytest.raises(AttributeError, match="no attribute 'Conv4d'"):
        _ = archspec.ops.Conv4d  # type: ignore[attr-defined]


def test_an_unknown_op_is_held_against_all_ops() -> None:
    code = "import archspec, sys\nfor d in archspec.check(sys.argv[1]): print(d.hint)"
    spec = "archspec: 1\ninput: [3, 8, 8]\nstages:\n  a: [{}]\n"
    assert "`channel_shuffle`" in fresh(code, spec.format("chanel_shuffle: {groups: 3}"))
    assert "`permute`" in fresh(code, spec.format("permut: {dims: [0, 2, 3, 1]}"))


def test_no_plugin_takes_the_name_of_an_op_that_is_not_imported() -> None:
    code = """
from archspec.ops import Op, register_op
class Mine(Op):
    op = "softmax"
    infer = build = lambda self, x: (x,)
try:
    register_op(Mine)
except ValueError as e:
    print(e)
"""
    assert "the op `softmax` is built into archspec" in fresh(code)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Of a package with one file, which has three ops, two of them registered."""
    folder = tmp_path / "package_of_test"
    folder.mkdir()
    (folder / "several.py").write_text(TWO_OPS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)  # type: ignore[no-untyped-call]
    holder: Any = ModuleType("registry_of_test")
    holder.REGISTRY = Registry("package_of_test", folder)
    monkeypatch.setitem(sys.modules, holder.__name__, holder)
    yield holder.REGISTRY
    for name in ("package_of_test", "package_of_test.several"):
        sys.modules.pop(name, None)


def test_a_new_file_is_found(registry: Registry) -> None:
    assert list(registry) == ["first", "second", "third"]
    assert "package_of_test.several" not in sys.modules
    assert registry["second"].op == "second"


def test_an_op_that_is_not_registered_is_told(registry: Registry) -> None:
    with pytest.raises(TypeError, match=r"the class of the op `third` in package_of_test\.several lacks `@register_op`"):
        _ = registry["third"]


def test_threads_find_the_same_classes(registry: Registry) -> None:
    start, found = Barrier(4), []

    def look_up(name: str) -> None:
        start.wait()
        found.append(registry[name])

    threads = [Thread(target=look_up, args=(name,)) for name in ("first", "second") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(op.op for op in found) == ["first", "first", "second", "second"]
    assert len(set(found)) == 2


def test_names_can_be_added_and_removed(registry: Registry) -> None:
    registry["fourth"] = OPS["relu"]
    assert list(registry) == ["first", "second", "third", "fourth"] and len(registry) == 4
    del registry["fourth"], registry["first"]
    assert list(registry) == ["second", "third"] and "first" not in registry
    with pytest.raises(KeyError):
        _ = registry["first"]
