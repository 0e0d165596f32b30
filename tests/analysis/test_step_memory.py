"""What takes the memory of a training step: its parts against the sizes of torch's own tensors."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

import archspec
from archspec.analysis.step_memory import StepMemory, step_memory
from archspec.backends.step import example_loss
from archspec.execution import Optimizer, Setting, execute
from tests.cli.conftest import Cli, cli  # noqa: F401 (a fixture)
from tests.execution.oracle import peak_by_kind


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
    found = StepMemory(100, 100, 200, 50, 0, 400, 80, batch_size=2)
    assert found.text("Adam") == (
        "a training step with Adam needs 400 B: optimizer state dominates; from batch 8 on, activations do\n"
        "  at the peak: weights 100 B (25 %) · gradients 80 B (20 %) · optimizer state 200 B (50 %) · activations 20 B (5 %)"
    )
    assert "from batch" not in StepMemory(100, 100, 200, 200, 0, 450, 80, batch_size=8).text("Adam")
    assert StepMemory(1, 0, 0, 0, 0, 1, 0).text("SGD") == "a training step with SGD needs 1 B: weights dominate\n  at the peak: weights 1 B (100 %)"
    text = StepMemory(100, 99, 0, 300, 1, 500, 9).text("SGD")
    assert ": activations dominate\n" in text and text.endswith("activations 390 B (78 %) · inputs 1 B (0.2 %)")
    assert "inputs 1 B (< 0.1 %)" in StepMemory(2999, 0, 0, 0, 1, 3000, 0).text("SGD")
    text = StepMemory(100, 99, 98, 2, 0, 299, 99).text("SGD")
    assert ": weights, gradients and optimizer state dominate; from batch 50 on, activations do\n" in text


@pytest.mark.parametrize("name", ["lenet", "alexnet28", "resnet18_96", "zoo/densenet121", "zoo/mobilenet_v2"])
@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_the_parts_of_the_peak_are_torch_s(name: str, batch_size: int) -> None:
    """MemTracker sorts what is live at the peak. It calls a gradient that is being computed then a temporary tensor."""
    graph = archspec.load(name).graph
    found = step_memory(execute(graph, Setting(batch_size=batch_size, optimizer=Optimizer("adam"), target="meta")))
    assert sum(found.parts.values()) == found.peak
    size = {getattr(kind, "name", kind): nbytes for kind, nbytes in peak_by_kind(graph, batch_size, states=2).items()}
    assert found.peak == size["Total"] and found.weights == size["PARAM"] + size["BUFFER"]
    assert found.optimizer_state + found.inputs == size["OTH"]
    computed = found.parts["gradients"] - size["GRAD"]
    assert 0 <= computed <= size["TEMP"] and found.parts["activations"] == size["ACT"] + size["TEMP"] - computed


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "resnet50", "zoo/vit_b_16"])
def test_the_batch_from_which_activations_dominate(name: str) -> None:
    graph = archspec.load(name).graph

    def memory(batch_size: int) -> StepMemory:
        return step_memory(execute(graph, Setting(batch_size=batch_size, optimizer=Optimizer("adam"))))

    batch = memory(1).activations_from
    assert batch is not None and memory(1).dominant == ["optimizer state"]
    assert memory(batch).activations >= 0.999 * memory(batch).optimizer_state
    assert memory(batch - 1).activations < memory(batch - 1).optimizer_state


def test_recipes_options_and_python_agree(cli: Cli) -> None:  # noqa: F811
    def line(*options: str) -> str:
        return cli("profile", "alexnet", "--static", *options).out.partition("a training step with ")[2].partition(" needs")[0]

    assert line() == "SGD" and line("--recipe", "alexnet-02") == "Adam" and line("--optimizer", "adamw") == "AdamW"
    assert line("--set", "train.momentum=0.5") == "SGD with momentum 0.5"
    assert cli("profile", "alexnet", "--static", "--recipe", "alexnet-99").code == 1
    assert "a training step with Adam needs" in str(archspec.analyze("alexnet", sets=["train.optimizer=adam"], batch_size=2))
    found = json.loads(cli("profile", "alexnet", "--static", "--json", "--recipe", "alexnet-02").out)["totals"]
    assert found["optimizer_state_bytes"] == 2 * found["gradient_bytes"] == 8 * found["params"]


def test_a_network_without_weights_has_no_training_step() -> None:
    text = "archspec: 1\ninput: [1, 8, 8]\nstages: {a: relu}\n"
    assert archspec.load(text).report.simulated().memory is None and "training step with" not in str(archspec.load(text))


def test_the_batch_decides() -> None:
    graph = archspec.load("alexnet28").graph
    first = [step_memory(execute(graph, Setting(batch_size=n, optimizer=Optimizer("adam")))).dominant for n in (1, 4096)]
    assert first == [["optimizer state"], ["activations"]]


def test_the_line_says_in_which_precision_and_layout(cli: Cli) -> None:  # noqa: F811
    """The table above it counts float32, whatever the precision of training."""
    def line(*options: str) -> str:
        return next(x for x in cli("profile", "lenet", "--static", *options).out.splitlines() if x.startswith("a training step"))

    assert line().startswith("a training step with SGD needs ")
    assert line("--precision", "bf16", "--channels-last").startswith("a training step with SGD in bf16 and NHWC needs ")


@pytest.mark.parametrize(("options", "message"), [
    ({"batch_size": 0}, "a batch has at least 1 sample, not 0"), ({"dtype": "float8"}, "no figures in float8; dtypes: float"),
])
def test_what_has_no_figures(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        archspec.analyze("lenet", **options)
