"""What backward keeps, to the byte: the simulation against torch's saved tensors."""

import pytest

import archspec
from archspec.execution import Setting, execute
from tests.execution.oracle import saved_by_torch

QUICK = ("lenet", "alexnet28", "nin", "googlenet", "resnet18_96", "zoo/mobilenet_v2", "zoo/densenet121")


@pytest.mark.parametrize("name", QUICK)
def test_as_torch_keeps(name):
    graph = archspec.load(name).graph
    found = execute(graph, Setting(batch_size=2))
    assert found.saved_bytes == saved_by_torch(graph, 2)
    assert found.saved_bytes == sum(layer.saved_bytes for layer in found.layers.values())
    assert found.estimated == ()
