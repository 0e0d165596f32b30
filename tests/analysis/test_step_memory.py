"""What takes the memory of a training step: its parts against the sizes of torch's own tensors."""

from __future__ import annotations

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

import archspec
from archspec.analysis.step_memory import StepMemory, step_memory
from archspec.backends.step import example_loss
from archspec.execution import Optimizer, Setting, execute


@pytest.mark.parametrize(("name", "batch_size"), [("lenet", 3), ("alexnet28", 1)])
def test_the_parts_are_torch_s(name: str, batch_size: int) -> None:
    loaded = archspec.load(name)
    found = step_memory(execute(loaded.graph, Setting(batch_size=batch_size, optimizer=Optimizer("adam"))))
    model = archspec.build(loaded).train()
    parameters = list(model.parameters())
    fixed = {p.untyped_storage().data_ptr() for p in parameters}
    x = torch.randn(batch_size, *loaded.graph.input.shape[1:])
    kept = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in fixed | {x.untyped_storage().data_ptr()}:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model(x)
        loss = example_loss(outputs, torch.zeros(batch_size, dtype=torch.int64))
    size = sum(p.nbytes for p in parameters)
    assert (found.weights, found.gradients, found.optimizer_state) == (size, size, 2 * size)
    assert found.inputs == pytest.approx(x.nbytes, abs=8 * batch_size)  # and the labels
    live = sum(kept.values()) + outputs.nbytes + loss.nbytes
    assert found.activations == pytest.approx(live, rel=0.05)
    del loss


def test_the_text_names_what_dominates() -> None:
    found = StepMemory(100, 100, 200, 50, 0, 450)
    assert found.text("Adam") == (
        "a training step with Adam needs 450 B: optimizer state dominates with 200 B (44.4 %); "
        "weights 100 B, gradients 100 B, activations 50 B"
    )
    assert StepMemory(1, 0, 0, 0, 0, 1).text("SGD") == "a training step with SGD needs 1 B: weights dominate with 1 B (100.0 %)"


def test_the_batch_decides() -> None:
    graph = archspec.load("alexnet28").graph
    first = [next(iter(step_memory(execute(graph, Setting(batch_size=n, optimizer=Optimizer("adam")))).parts))
             for n in (1, 4096)]
    assert first == ["optimizer state", "activations"]
