"""The cheapest stages to recompute, compared with all sets of stages."""

from itertools import combinations

import pytest

from archspec.api import load
from archspec.capacity.simulate import WORK, Simulated
from archspec.capacity.stages import stages_to_recompute
from archspec.execution import Optimizer, Setting

UNEVEN = "archspec: 1\ninput: [4, 32, 32]\nstages:\n" + "".join(
    f"  s{k}: [conv2d: {{out_channels: {width}, kernel_size: {kernel}, padding: same}}, batch_norm2d, {act}]\n"
    for k, (width, kernel, act) in enumerate([(16, 1, "relu"), (8, 5, "silu"), (24, 3, "tanh"), (8, 3, "gelu"),
                                              (32, 1, "relu")])
) + "  head: [global_avg_pool2d, flatten, linear: 10]\n"
SKIPS = """archspec: 1
input: [3, 32, 32]
stages:
  stem: [conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, batch_norm2d, relu]
  down: [max_pool2d: 2, conv2d: {out_channels: 16, kernel_size: 3, padding: 1}, batch_norm2d, relu]
  deep: [max_pool2d: 2, conv2d: {out_channels: 32, kernel_size: 3, padding: 1}, batch_norm2d, relu]
  up: {concat: {left: [{conv2d: {out_channels: 8, kernel_size: 1}}, {flatten: {start_dim: 1}}], right: [{flatten: {}, from: stem}]}}
  head: {linear: 4}
"""

# Gates reach over stages, so the bytes that a stage frees alone are not those that it frees beside others.
GATED = """archspec: 1
input: [4, 32, 32]
blocks:
  conv: {params: {channels: int, kernel_size: int, act: silu}, body: [conv2d: {out_channels: $channels, kernel_size: $kernel_size, padding: same}, batch_norm2d, $act]}
  gated:
    params: {channels: int, kernel_size: int, act: layer, gate: layer}
    body: [conv: [$channels, $kernel_size, $act], mul: {a: [], gate: [$gate, global_avg_pool2d, conv2d: {out_channels: $channels, kernel_size: 1}]}]
stages:
  s0: [conv: [4, 5]]
  s1: [conv: [8, 3, gelu]]
  s2: [gated: [4, 5, silu, {from: s0}]]
  s3: [gated: [4, 3, tanh, {from: s0}]]
  s4: [max_pool2d: 2, conv: [8, 3]]
  s5: [conv: [24, 3]]
  head: [global_avg_pool2d, flatten, linear: 10]
"""


def fitting_sets(simulated, memory):
    names = [node.name for node in simulated.graph.nodes]
    for count in range(len(names) + 1):
        for stages in combinations(names, count):
            run = simulated.run(recompute=frozenset(stages))
            if run.peak_bytes <= memory:
                yield WORK.of(run), stages


@pytest.mark.parametrize("spec", [UNEVEN, SKIPS, GATED, "resnet18", "lenet"], ids=["uneven", "skips", "gated", "resnet18", "lenet"])
@pytest.mark.parametrize("share", [0.99, 0.85, 0.8, 0.7, 0.5])
def test_no_set_of_stages_is_cheaper(spec, share):
    """The price is that of the cheapest set that fits; and there is an answer if any set fits."""
    graph = load(spec).graph
    simulated = Simulated(graph, Setting(batch_size=8, optimizer=Optimizer("sgd", 0.9)))
    memory = int(simulated.peak() * share)
    found = stages_to_recompute(simulated, memory, WORK)
    sets = list(fitting_sets(simulated, memory))
    if found is None:
        assert not sets
        return
    run = simulated.run(recompute=frozenset(found))
    assert run.peak_bytes <= memory
    assert WORK.of(run) == min(sets)[0]
    for stage in found:
        assert simulated.peak(recompute=frozenset(found) - {stage}) > memory


def test_nothing_is_recomputed_where_the_step_fits():
    simulated = Simulated(load("lenet").graph, Setting(batch_size=8))
    assert stages_to_recompute(simulated, simulated.peak(), WORK) == ()


def test_nothing_helps_against_large_weights():
    simulated = Simulated(load("vgg11").graph, Setting(batch_size=1, optimizer=Optimizer("adam")))
    assert stages_to_recompute(simulated, simulated.peak() // 2, WORK) is None
