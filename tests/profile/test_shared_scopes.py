"""A trace of shared weights: each run has its own scope, and backward scopes nest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch
from torch.profiler import profile

import archspec
from archspec.backends.torch import build
from archspec.profile.trace import BACKWARD, module_scopes

TEXT = """\
archspec: 1
input: [3, 8, 8]
stages:
  tower: [conv2d: {out_channels: 3, kernel_size: 3, padding: 1}, relu]
  twin: {share: tower}
  low: {max_pool2d: 2}
  small: {share: tower}
  head: [{linear: 4, repeat: 3, share: true}, flatten, linear: 2]
"""


def test_each_run_is_a_scope(tmp_path: Path) -> None:
    model = build(archspec.load(TEXT).graph)
    x = torch.randn(2, 3, 8, 8)
    with module_scopes(model), profile() as seen:
        model(x).sum().backward()
    names = Counter(event.name for event in seen.events())
    assert [names[path] for path in ("tower", "twin", "small", "small.conv2d_1", "head.linear_1.0", "head.linear_1.2")] == [2, 1, 1, 1, 3, 1]
    assert names["tower.conv2d_1"] == 3
    assert names[f"tower.conv2d_1{BACKWARD}"] >= 3
    assert not any(name.startswith(("twin", "small.conv")) and name.endswith(BACKWARD) for name in names)
