"""What backward keeps, to the byte: the simulation against torch's saved tensors. What kernels multiply."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.backends.step import _on_meta, example_loss, inputs_of
from archspec.execution import Setting, execute
from archspec.ops import Op
from archspec.types import TensorType
from tests.execution.oracle import saved_by_torch
from tests.ir.graphs import Hand, batch
from tests.test_specs import ROOT, SPECS

QUICK = ("lenet", "alexnet28", "nin", "googlenet", "resnet18_96", "zoo/mobilenet_v2", "zoo/densenet121")
LOW = ("lenet", "alexnet28", "zoo/shufflenet_v2_x1_0", "zoo/textcnn")
NAMES = [str(path.relative_to(ROOT / "specs").with_suffix("")) for path in SPECS]


def compare(name, **kinds):
    graph = archspec.load(name).graph
    found = execute(graph, Setting(batch_size=2, **kinds))
    assert found.saved_bytes == saved_by_torch(graph, 2, **kinds)
    assert found.saved_bytes == sum(layer.saved_bytes for layer in found.layers.values())
    assert found.estimated == ()


@pytest.mark.parametrize("name", QUICK)
def test_as_torch_keeps(name):
    compare(name)


def test_each_of_several_outputs_has_labels_of_its_own():
    """Which `example_loss` makes by taking them modulo its classes."""
    body = {"head": {"linear": 10}, "aux": {"linear": 3, "from": "body"}}
    compare({"archspec": 1, "input": [16], "stages": {"body": [{"linear": 8}, "relu"], **body}, "outputs": ["head", "aux"]})
    compare({"archspec": 1, "input": [16], "stages": {"body": [{"linear": 8}, "relu"], "head": {"linear": 10}}})


@pytest.mark.parametrize(("target", "written"), [("cpu", 0), ("cuda", 1), ("meta", 1)])
def test_a_first_batch_norm_writes_a_gradient_that_nobody_needs(target, written):
    """Of its input: cuDNN's does, and torch's on meta; the one of a CPU does not."""
    graph = archspec.load("archspec: 1\ninput: [3, 32, 32]\nstages: {a: [batch_norm2d, flatten, linear: 4]}\n").graph
    found = execute(graph, Setting(batch_size=2, target=target))
    (backward,) = [kernel for kernel in found.kernels if kernel.name == "batch_norm_backward"]
    assert backward.written_bytes // (4 * 2 * 3 * 32 * 32) == written


@pytest.mark.parametrize("name", LOW)
@pytest.mark.parametrize("channels_last", [False, True])
def test_as_autocast_keeps(name, channels_last):
    compare(name, precision="bf16", channels_last=channels_last)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_spec_as_torch_keeps(name, precision, channels_last):
    compare(name, precision=precision, channels_last=channels_last)


class Doubled(Op):
    """An op of somebody's own, without a kernel rule."""

    op = "doubled"

    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (x,)

    def build(self, x: TensorType) -> torch.nn.Module:
        raise NotImplementedError


def test_an_op_without_a_rule_keeps_all_that_it_reads_and_is_named():
    hand = Hand(x=batch(6))
    y = hand.add("own", Doubled(), hand.add("first", "linear", hand.inputs[0], out_features=5))
    found = execute(hand.graph(y=hand.add("last", "linear", y, out_features=3)), Setting(batch_size=4))
    assert found.estimated == ("own",)
    assert found.layers["own"].saved_bytes == 4 * 5 * 4


PRODUCTS = """archspec: 1
input: [8, 6, 6]
stages:
  conv: {conv2d: {out_channels: 8, kernel_size: 3, padding: 1}}
  tokens: [{flatten: 2}, {permute: [0, 2, 1]}, {multi_head_attention: {num_heads: 2}}]
  both: {matmul: {a: [{linear: 8}], b: [{permute: [0, 2, 1]}]}}
  head: [{mean: {dim: 1}}, {linear: 5}]
"""


def test_multiply_adds_of_products_are_those_that_torch_counts():
    graph = archspec.load(PRODUCTS).graph
    model = _on_meta(graph, "float32").train()
    with FlopCounterMode(display=False) as forward:
        outputs = model(*[torch.zeros(x.shape, device="meta") for x in inputs_of(graph, 2)])
    with FlopCounterMode(display=False) as backward:
        example_loss(outputs, torch.zeros(2, dtype=torch.int64, device="meta")).backward()
    for target in ("cpu", "meta"):
        layers = execute(graph, Setting(batch_size=2, target=target)).layers.values()
        assert 2 * sum(x.forward_macs for x in layers) == forward.get_total_flops()
        assert 2 * sum(x.backward_macs for x in layers) == backward.get_total_flops()


def test_a_grouped_convolution_costs_its_groups_in_backward_too():
    """torch's counter takes the weight gradient for that of a dense convolution, so this is counted by hand."""
    hand = Hand(x=batch(8, 6, 6))
    y = hand.add("first", "conv2d", hand.inputs[0], out_channels=8, kernel_size=1)
    y = hand.add("grouped", "conv2d", y, out_channels=4, kernel_size=3, padding=1, groups=4)
    layer = execute(hand.graph(y=y), Setting(batch_size=2)).layers["grouped"]
    assert layer.forward_macs == 2 * 4 * 6 * 6 * 2 * 3 * 3
    assert layer.backward_macs == 2 * layer.forward_macs


@pytest.mark.parametrize("turned", ["query", "key", "value"])
def test_attention_of_a_single_feature_whose_elements_lie_apart_is_computed_in_steps(turned):
    """torch's fused kernel wants the last dimension side by side, even of size 1."""
    columns = [{"reshape": [1, 6]}, {"permute": [0, 2, 1]}, "layer_scale"]
    sides = {name: columns if name == turned else [{"reshape": [6, 1]}, "layer_scale"] for name in ("query", "key", "value")}
    spec = {"archspec": 1, "input": [6], "stages": {"a": [{"attention": sides}]}}
    graph = archspec.load(spec).graph
    assert execute(graph, Setting(batch_size=2)).saved_bytes == saved_by_torch(graph, 2)
