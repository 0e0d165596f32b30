"""Static figures of networks with ops of plugins: with a kernel rule exact, without one named as estimates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import archspec
from archspec.cli import run
from archspec.text import estimates_text
from tests.plugins.helpers import op_module

NET = """archspec: 1
input: [3, 8, 8]
stages:
  a: [conv2d: {out_channels: 4, kernel_size: 3}, my_op, relu, my_op]
  head: [flatten, linear: 2]
"""


@pytest.fixture
def own(folder: Path) -> Path:
    """A network with two layers of an op without `kernels` and `reach`."""
    (folder / "my_ops.py").write_text(op_module("my_op"), encoding="utf-8")
    (folder / "net.yaml").write_text(NET, encoding="utf-8")
    return folder


def out(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run([*arguments, "--plugin", "./my_ops.py"]) == 0
    return capsys.readouterr().out


def test_figures_that_are_estimates_are_named(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note = "memory and time of a.my_op_1 and 1 more are estimates: their ops have no `kernels` method"
    assert note in " ".join(out(capsys, "profile", "net.yaml", "--static").split())
    assert note in out(capsys, "fit", "net.yaml", "--memory", "1GiB")
    layers = json.loads(out(capsys, "profile", "net.yaml", "--static", "--json"))["layers"]
    assert {x["path"] for x in layers if x["estimated"]} == {"a.my_op_1", "a.my_op_2"}
    assert json.loads(out(capsys, "fit", "net.yaml", "--memory", "1GiB", "--json"))["estimated"] == ["a.my_op_1", "a.my_op_2"]
    out(capsys, "show", "net.yaml", "-o", "net.html")
    assert note in (own / "net.html").read_text(encoding="utf-8")


def test_one_layer_that_is_an_estimate() -> None:
    assert estimates_text(["a"]) == "memory and time of a are estimates: its op has no `kernels` method (docs/plugins.md)"


def test_a_receptive_field_that_is_not_known_has_a_reason(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reason = "?: not known, because an op of a plugin has no `reach` method"
    assert reason in out(capsys, "profile", "net.yaml", "--static", "--receptive-field")
    assert reason not in out(capsys, "profile", "net.yaml", "--static")


def test_the_example_s_rule_keeps_what_torch_keeps(installed: Path) -> None:
    report = archspec.analyze("stripes.yaml", batch_size=16)
    found = report.simulated()
    assert found is not None and found.training is not None
    assert found.training.estimated == ()
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage()
        return x

    model = archspec.build("stripes.yaml", seed=0).train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        loss = torch.nn.functional.cross_entropy(model(torch.rand(16, 1, 8, 8)), torch.zeros(16, dtype=torch.long))
    assert loss.requires_grad
    assert found.training.saved_bytes == sum(x.nbytes() for x in kept.values())
