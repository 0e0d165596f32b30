"""A step of many passes, from a simulation of two."""

from __future__ import annotations

from dataclasses import replace

import pytest

import archspec
from archspec.capacity import of_passes
from archspec.execution import Optimizer, Setting, execute

PLAIN = Setting(batch_size=3)
ADAM = Setting(batch_size=5, precision="bf16", target="cuda", optimizer=Optimizer("adam"), ema=True)
NHWC = Setting(batch_size=2, channels_last=True, recompute=frozenset({"body"}))
SPEC = """\
archspec: 1
input: [3, 16, 16]
stages:
  stem: [conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, batch_norm2d, relu, max_pool2d: 2]
  body: [residual: 8, residual: [16, 2]]
  head: [global_avg_pool2d, flatten, dropout, linear: 10]
"""


@pytest.mark.parametrize("passes", [1, 2, 3, 7])
@pytest.mark.parametrize("setting", [PLAIN, ADAM, NHWC], ids=["plain", "adam", "nhwc"])
def test_a_step_of_many_passes_is_that_of_two_and_more_of_the_second(setting: Setting, passes: int) -> None:
    graph = archspec.load(SPEC).graph
    two = execute(graph, replace(setting, accumulate=min(passes, 2)))
    assert of_passes(two, passes) == execute(graph, replace(setting, accumulate=passes))
