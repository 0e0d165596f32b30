"""Executions that share a network are as those that do not, in any order."""

from dataclasses import replace

import pytest

import archspec
from archspec.execution import Optimizer, Setting, execute
from archspec.execution.network import Network
from archspec.types import DTYPE_BYTES

SETTINGS = (
    Setting(2, optimizer=Optimizer("sgd", 0.9)), Setting(2, training=False), Setting(3, channels_last=True, target="cuda"),
    Setting(2, accumulate=2, ema=True, optimizer=Optimizer("adam")), Setting(2, precision="bf16", libraries=True),
    Setting(2, dtype="float16", training=False), Setting(2, frozen=frozenset({"conv1.weight", "c1.weight"})),
)


@pytest.mark.parametrize("spec", ["lenet", "zoo/googlenet_aux", "zoo/siamese"])
def test_executions_that_share_a_network_are_as_alone(spec: str) -> None:
    graph = archspec.load(spec).graph
    shared, alone = Network(graph), [execute(graph, setting, by_layer=True) for setting in SETTINGS]
    for setting, own in (*zip(SETTINGS, alone, strict=True), *zip(SETTINGS[::-1], alone[::-1], strict=True)):
        found = execute(graph, setting, shared, by_layer=True)
        assert found == own
        assert found.layers == own.layers


def test_weights_are_made_once_for_all_settings_in_which_they_are_the_same() -> None:
    network, setting = Network(archspec.load("lenet").graph), Setting(4)
    weights = network.weights(setting)
    same = replace(setting, batch_size=8, training=False, precision="bf16", target="meta")
    assert network.weights(same) is weights
    for other in ({"channels_last": True}, {"target": "cuda"}, {"dtype": "bfloat16"}, {"frozen": frozenset({"x"})}):
        assert network.weights(replace(setting, **other)) is not weights


def test_an_execution_leaves_the_weights_as_they_were() -> None:
    network, setting = Network(archspec.load("resnet18").graph), Setting(2, optimizer=Optimizer("adam"))
    weights = network.weights(setting)
    before = weights.memory.live
    execute(network.graph, setting, network)
    assert weights.memory.live == weights.memory.peak == before
    tensors = [x for owned in weights.tensors.values() for x in owned.values()]
    assert before == sum(x.numel * DTYPE_BYTES[x.dtype] for x in tensors)
    assert all(x.storage.refs == 1 for x in tensors)
    assert not any(x.node.saved or x.node.region for x in tensors if x.node is not None)
