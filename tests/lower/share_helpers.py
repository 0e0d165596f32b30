"""Specs with shared weights, and the modules that are built of them."""

from __future__ import annotations

from typing import Any

from torch import nn

import archspec
from tests.helpers import spec

CONV = "conv2d: {out_channels: 4, kernel_size: 3}"
TWO_SIZES = spec(f"""\
stages:
  tower: [{CONV}, batch_norm2d, relu, global_avg_pool2d, flatten]
  low: {{avg_pool2d: 2, from: input}}
  twin: {{share: tower}}
  head: [concat: {{large: {{from: tower}}, small: []}}, linear: 2]""")
ALBERT = """\
archspec: 1
input: [10, 16]
vars: {depth: 12}
blocks:
  layer:
    - add: {main: [layer_norm, linear: 32, gelu, linear: 16], skip: []}
stages:
  encoder: {layer: {}, repeat: $depth, share: true}
  head: [flatten, linear: 3]
"""
SIAMESE = f"""\
archspec: 1
input: {{left: [1, 12, 12], right: [1, 12, 12]}}
stages:
  tower: [{{{CONV}, from: left}}, relu, flatten, linear: 6, sigmoid]
  twin: {{share: tower, from: right}}
  head: [add: {{a: {{from: tower}}, b: {{from: twin}}}}, linear: 1]
"""


def graph_of(text: str) -> Any:
    graph = archspec.load(text).graph
    graph.verify()
    return graph


def build(text: str) -> nn.Module:
    graph_of(text)
    return archspec.build(text)
