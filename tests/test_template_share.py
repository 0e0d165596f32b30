"""`archspec.Template` with shared weights: the same networks as reading each anew."""

from __future__ import annotations

import itertools
import random

import archspec
from archspec.ir.digest import graph_digest

NET = """\
archspec: 1
input: [3, 16, 16]
vars: {width: 4, depth: 2, tied: true, pool: 1, tower: 3}
blocks:
  layer: {params: {c: 4, k: $(1 + i)}, body: [conv2d: {out_channels: $c, kernel_size: 3, padding: 1}, leaky_relu: $(0.1 * k)]}
stages:
  tower: [conv2d: {out_channels: $tower, kernel_size: 3, padding: 1}, batch_norm2d]
  first: [conv2d: {out_channels: 3, kernel_size: 1}]
  twin: [max_pool2d: $pool, {share: tower}, {share: tower, name: again}, {share: again}]
  wide: {conv2d: {out_channels: $width, kernel_size: 1}}
  deep: [{layer: [$width, 1], repeat: $depth, share: $tied}, {layer: {c: $width}, repeat: $depth}]
  thin: [conv2d: {out_channels: 3, kernel_size: 1}, {share: twin}]
  head: [global_avg_pool2d, flatten, linear: 10]
"""
CHOICES = {"width": [2, 4], "depth": [0, 1, 4], "tied": [True, False], "pool": [1, 2]}
POINTS = [dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values())]


def anew(point: dict[str, object]) -> object:
    return archspec.load(NET, sets=[f"vars.{key}={str(value).lower()}" for key, value in point.items()]).graph


def test_every_network_equals_the_one_that_is_read_anew() -> None:
    template = archspec.Template(NET)
    for point in random.Random(1).sample(POINTS, k=12):
        graph, other = template.graph(point), anew(point)
        graph.verify()
        assert graph_digest(graph) == graph_digest(other), point
        assert template.totals(point).params == archspec.analysis.cost_report(other).params, point


def test_the_first_stages_are_kept_and_still_shared() -> None:
    template = archspec.Template(NET)
    for width in (2, 4, 6, 2):  # only changes what comes after the tower
        graph = template.graph({"width": width})
        assert graph.nodes[0].target is template.graph({"width": width}).nodes[0].target
        assert graph_digest(graph) == graph_digest(anew({"width": width}))
