"""The peak of a training step: the simulation against the live bytes that a dispatch mode counts on the meta device."""

import pytest

import archspec
from archspec.execution import Optimizer, Setting, execute
from tests.execution.oracle import tracked_by_torch

QUICK = ("lenet", "alexnet28", "nin", "googlenet", "resnet18_96", "zoo/densenet121")


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize(("optimizer", "batch_size"), [(Optimizer(), 1), (Optimizer("adam"), 32)])
def test_as_torch_allocates(name, optimizer, batch_size):
    graph = archspec.load(name).graph
    found = execute(graph, Setting(batch_size=batch_size, optimizer=optimizer, target="meta"))
    assert abs(found.peak_bytes - tracked_by_torch(graph, batch_size, optimizer.states)) <= 4  # a scalar


def test_all_memory_but_weights_gradients_and_state_is_freed():
    graph = archspec.load("resnet18_96").graph
    found = execute(graph, Setting(batch_size=4, optimizer=Optimizer("sgd", 0.9)))
    labels = 4 * 8
    assert found.timeline[-1] == found.weight_bytes + found.gradient_bytes + found.state_bytes + found.input_bytes
    assert found.gradient_bytes == found.state_bytes == 4 * archspec.load("resnet18_96").report.params
    assert found.input_bytes == 4 * 4 * 96 * 96 + labels
