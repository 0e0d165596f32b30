"""A step with recomputed stages needs the memory that torch's checkpoint needs, without running it."""

import pytest
import torch

from archspec.api import load
from archspec.backends.step import inputs_of, step_peak_bytes
from archspec.backends.torch import build
from archspec.execution import Optimizer, Setting, execute
from tests.fuzz.check import Circumstances, differences

SKIPS = """archspec: 1
input: [3, 16, 16]
stages:
  stem: [conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, batch_norm2d, relu]
  pool: {max_pool2d: 2}
  body: {add: {main: [conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, batch_norm2d, relu], skip: []}}
  again: {share: body}
  two: {concat: {left: {conv2d: {out_channels: 4, kernel_size: 1}}, right: [{max_pool2d: 2, from: stem}]}}
  flat: flatten
  head: [relu, linear: 4]
"""

# Stages whose last op keeps its input: checkpoint ends the second run before that op computes.
ENDS = """archspec: 1
input: [4, 40, 40]
stages:
  up: {conv_transpose2d: {out_channels: 8, kernel_size: 3, padding: 1, stride: 2}}
  wide: {conv2d: {out_channels: 32, kernel_size: 3}}
  norm: batch_norm2d
  head: [global_avg_pool2d, flatten, linear: 5]
"""


@pytest.mark.parametrize(("spec", "stages"), [
    (ENDS, ["up"]), (ENDS, ["wide"]), (ENDS, ["norm"]), (ENDS, ["up", "wide", "norm", "head"]),
    ("resnet18", ["b1", "b3"]), ("resnet18", ["b1", "b2", "b3", "b4", "b5", "head"]), ("nin", ["b1", "pool1", "b2"]),
    ("lenet", ["conv1", "pool1"]), ("googlenet", ["b3", "b4"]), (SKIPS, ["body", "two"]),
    (SKIPS, ["stem", "pool", "body", "again", "two", "flat", "head"]), (SKIPS, ["flat"]),
    ("resnet18", ["b2.0", "b3", "b4.1"]), (SKIPS, ["stem.batch_norm2d_1", "body.main", "head.relu_1"]),
], ids=lambda x: x[:9] if isinstance(x, str) else "+".join(x))
def test_the_peak_is_torchs(spec, stages):
    graph = load(spec).graph
    setting = Setting(batch_size=16, optimizer=Optimizer("sgd", 0.9), recompute=frozenset(stages), target="meta")
    with torch.device("meta"):
        model = build(graph, recompute=stages).train()
    measured = step_peak_bytes(model, inputs_of(graph, 16), states=1)
    assert execute(graph, setting).peak_bytes == pytest.approx(measured, rel=2e-3)


@pytest.mark.parametrize("stages", [["wide"], ["small", "wide"]], ids="+".join)
@pytest.mark.parametrize("frozen", [[], ["small.weight", "small.bias"]], ids=["all learn", "frozen"])
def test_a_cast_of_a_weight_is_not_part_of_the_layer_that_does_not_run_again(stages, frozen):
    """In 16 bits, too, a second run ends before a last convolution, but after the cast of its weight."""
    graph = load("""archspec: 1
input: [4, 40, 40]
stages:
  small: {conv2d: {out_channels: 2, kernel_size: 3}}
  wide: {conv2d: {out_channels: 64, kernel_size: 3, padding: 1}}
  head: [global_avg_pool2d, flatten, linear: 5]
""").graph
    assert differences(graph, Circumstances(False, frozenset(frozen), frozenset(stages), 1)) == {}


def test_what_was_computed_again_is_freed_before_gradients_are_summed():
    """The output of the first layer is freed with the backward kernels of the second, before its bias gets a gradient."""
    graph = load("""archspec: 1
input: [8, 8]
stages: {wide: [linear: 16, linear: 128], head: [mean: {dim: 1}, linear: 5]}
""").graph
    assert differences(graph, Circumstances(recompute=frozenset(["wide"]))) == {}


@pytest.mark.parametrize("stages", [["first"], ["norm"], ["first", "norm", "second"]], ids="+".join)
def test_backward_keeps_the_copies_of_running_statistics_that_a_second_run_works_on(stages):
    """They live until the backward pass of their norm has run; with few samples they are as large as activations."""
    graph = load("""archspec: 1
input: [3000]
stages:
  first: [layer_norm, batch_norm1d]
  norm: [softmax: {dim: 1}, batch_norm1d, {softmax: {dim: 1}}, batch_norm1d]
  second: [batch_norm1d, linear: 3]
""").graph
    assert not differences(graph, Circumstances(recompute=frozenset(stages)))


def test_its_second_run_is_counted():
    """The multiply-adds of the stages' forward pass again, and what they save is not saved."""
    graph = load("resnet18").graph
    plain, again = (execute(graph, Setting(batch_size=4, recompute=frozenset(stages))) for stages in ([], ["b2"]))
    forward = sum(kernel.macs for kernel in plain.kernels if kernel.direction == "forward" and kernel.layer[:2] == "b2")
    assert sum(k.macs for k in again.kernels) - sum(k.macs for k in plain.kernels) == forward
    assert again.saved_bytes < plain.saved_bytes


@pytest.mark.parametrize(("stages", "products"), [(["a"], 2), (["b"], 2), (["a", "b"], 4)])
def test_a_cast_of_a_shared_weight_belongs_to_no_stage(stages, products):
    """In 16 bits one cast serves both stages, and a stage that runs again makes another one. The copy of a is a part of b."""
    graph = load("""archspec: 1
input: [64]
stages: {a: [linear: 64, relu, linear: 64, relu], b: [{share: a}, relu], head: {linear: 3}}
""").graph
    plain, again = (execute(graph, Setting(batch_size=256, precision="bf16", recompute=frozenset(x))) for x in ([], stages))
    assert again.saved_bytes <= plain.saved_bytes
    assert sum(k.direction == "backward" and k.name == "addmm" for k in again.kernels) == products
    assert differences(graph, Circumstances(recompute=frozenset(stages))) == {}
