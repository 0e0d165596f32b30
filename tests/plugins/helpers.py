"""Plugins for tests: modules and installed distributions in a temporary folder, all forgotten afterwards."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import archspec
from archspec import plugins
from archspec.data.registry import DATASET_DOOR
from archspec.language.loss import LOSS_DOOR
from archspec.ops import OP_DOOR

DOORS = (OP_DOOR, DATASET_DOOR, LOSS_DOOR)
EXAMPLE = Path(__file__).parent.parent / "example_plugin"
STRIPES = """\
archspec: 1
name: stripes
input: [1, 8, 8]
stages:
  conv: [conv2d: {out_channels: 4, kernel_size: 3}, gated_channels: {sharpness: 2.0}, relu]
  head: [flatten, linear: 2]
expect: {output: [2], params: 334}
train: {data: stripes, batch_size: 16, epochs: 1, lr: 0.1, loss: {focal: {gamma: 1.5}}}
"""
OP = '''\
import archspec
from archspec.ops import Op
from torch import nn

@archspec.register_op
class {cls}(Op):
    """Do nothing.

    Shapes: (N, …) -> the same.
    """
    op = "{name}"
    def infer(self, x):
        return (x,)
    def build(self, x):
        return nn.Identity()
'''


def op_module(name: str) -> str:
    """The text of a module with an op."""
    return OP.format(name=name, cls=name.title().replace("_", ""))


@contextmanager
def forgotten() -> Iterator[None]:
    """As in a fresh process: nothing is registered, searched or imported by plugins; and so again afterwards."""
    kept = [(door, dict(door.known), dict(door._plugins), dict(door._classes), door._searched) for door in DOORS]
    modules, path = set(sys.modules), list(sys.path)
    for door in DOORS:
        door._searched = False
        door.problems.clear()
    try:
        yield
    finally:
        for door, known, owners, classes, searched in kept:
            for values, before in ((door.known, known), (door._plugins, owners), (door._classes, classes)):
                values.clear()
                values.update(before)
            door._searched = searched
            door.problems.clear()
            door._ambiguous.clear()
        plugins._named.clear()
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if not name.startswith(("archspec.", "torch", "numpy")) and _is_temporary(name):
                del sys.modules[name]


def _is_temporary(name: str) -> bool:
    file = str(getattr(sys.modules[name], "__file__", None) or "")
    return "/tests/example_plugin/" in file or "/pytest-of-" in file


def install(folder: Path, name: str, version: str, modules: dict[str, str], **groups: str) -> None:
    """Make a distribution importable: its modules, and the entry points `ops="name = module:Class"`."""
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    entries = "".join(f"[archspec.{group}]\n{text}\n" for group, text in groups.items())
    (about / "entry_points.txt").write_text(entries, encoding="utf-8")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()  # the folder may have been listed within the clock's last tick


def spec(layer: str) -> str:
    return f"archspec: 1\ninput: [3, 8, 8]\nstages:\n  a: [{layer}]\n"


def mistakes(source: Any) -> list[str]:
    return [f"{d.code} {d.message}" for d in archspec.check(source)]
