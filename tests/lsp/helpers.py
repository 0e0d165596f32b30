"""Texts with a mark for the cursor."""

from __future__ import annotations

from pathlib import Path

from archspec.lsp.snapshot import Snapshot, snapshot
from archspec.lsp.text import Spot

SPEC = """\
archspec: 1
name: tiny
input: [1, 28, 28]
vars: {width: 8, double: $(2 * width)}
blocks:
  conv:
    params: {channels: int, act: relu}
    body:
      - conv2d: {out_channels: $channels, kernel_size: 3, padding: 1}
      - $act
stages:
  stem: [conv: $width, max_pool2d: 2]
  body:
    - {conv: [$double, sigmoid], name: first}
    - add: {main: [conv: $double], skip: {from: first}}
  head: [flatten, linear: 10]
expect: {stem: [8, 14, 14], output: [10]}
train: {data: digits, lr: $(0.01 * width)}
"""

PAIR = """\
archspec: 1
input: {left: [1, 8, 8], words: {shape: [4], dtype: int64, below: 9}}
stages:
  a: [{flatten: , from: left}, linear: $(2 * input.left.width)]
  b: {flatten: , from: words}
  head: {linear: 3, from: a}
outputs: {head: always, b: training}
expect: {a: [16]}
"""


def marked(text: str, path: Path = Path("/nowhere/spec.yaml")) -> tuple[Snapshot, Spot]:
    """A text without its `|`, and where that stands."""
    before, _, after = text.partition("¦")
    return snapshot(path, before + after), Spot(before.count("\n"), len(before) - before.rfind("\n") - 1)


def at(needle: str, offset: int = 0, text: str = SPEC, nth: int = 0) -> tuple[Snapshot, Spot]:
    """A text with the cursor in the n-th place of some characters."""
    index = -1
    for _ in range(nth + 1):
        index = text.index(needle, index + 1)
    return marked(text[: index + offset] + "¦" + text[index + offset :])
