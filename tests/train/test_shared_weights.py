"""Training with shared weights and learned tensors: equal to the textbook's loop on tied modules, each weight once."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

import archspec
from archspec.backends.again import Again
from archspec.train.ema import Average
from archspec.train.loop import fit
from archspec.train.optimizer import make_optimizer, parameter_groups
from archspec.train.run_dir.weights import load_weights, write_weights

from .helpers import CPU, batches, data, recipe, textbook

SPEC = {"archspec": 1, "input": [1, 8, 8], "stages": {
    "tower": [{"conv2d": {"out_channels": 1, "kernel_size": 3, "padding": 1}}, "batch_norm2d", "tanh"],
    "twin": {"share": "tower"},
    "low": {"avg_pool2d": 2},
    "small": {"share": "tower"},
    "place": {"add": {"x": [], "y": {"parameter": {"shape": [1, 4, 4], "init": {"normal": 0.1}}}}},
    "deep": [{"sequential": [{"linear": 4}, "tanh"], "repeat": 3, "share": True}],
    "head": ["flatten", {"linear": 4}],
}}


class Tied(nn.Module):
    """The same network by hand."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        model = copy.deepcopy(model)
        self.tower, self.head, self.value = model.tower, model.head, model.place.y.value
        self.deep = model.deep.sequential_1.get_submodule("0")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.avg_pool2d(self.tower(self.tower(x)), 2)
        y = self.tower(y) + self.value
        return self.head(self.deep(self.deep(self.deep(y))))


@pytest.fixture
def model() -> nn.Module:
    with torch.random.fork_rng([]):
        torch.manual_seed(2)
        return archspec.build(SPEC)


def test_it_trains_as_tied_modules_do(model: nn.Module) -> None:
    chosen = recipe(momentum=0.9, weight_decay=0.01)
    hand = Tied(model)
    train, test = data(), data(20, split="test", seed=1)
    found = fit(model, batches(train, chosen), batches(test, chosen, shuffle=False), chosen, device=CPU)
    expected = textbook(hand, train, test, chosen, make_optimizer(hand, chosen, CPU))
    rows = [[r.train_loss, r.train_accuracy, r.evaluated_loss, r.evaluated_accuracy] for r in found.epochs]
    torch.testing.assert_close(torch.tensor(rows), torch.tensor(expected), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.tower.state_dict(), hand.tower.state_dict(), rtol=1e-4, atol=1e-5)


def test_each_weight_decays_once(model: nn.Module) -> None:
    groups = parameter_groups(model, recipe(weight_decay=0.1, decay_norm_and_bias=False))
    names = {id(p): name for name, p in model.named_parameters()}
    by_decay = [sorted(names[id(p)] for p in group["params"]) for group in groups]
    assert sorted(map(len, by_decay)) == [4, 5] and len(names) == 9
    decayed = next(group for group in by_decay if "tower.conv2d_1.weight" in group)
    assert decayed == ["deep.sequential_1.0.linear_1.weight", "head.linear_1.weight", "place.y.value", "tower.conv2d_1.weight"]


def test_a_copy_shares_its_own_weights(model: nn.Module) -> None:
    average = Average(model, 0.9).model
    owners = {id(part) for part in average.modules()}
    runs = [part for part in average.modules() if isinstance(part, Again)]
    assert len(runs) == 5 and all(id(run.owner) in owners for run in runs)
    x = torch.randn(3, 1, 8, 8)
    before = model.eval()(x)
    with torch.no_grad():
        average.tower.conv2d_1.weight.zero_()
    torch.testing.assert_close(model(x), before)
    assert not torch.equal(average(x), before)


def test_each_weight_is_saved_once(model: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_weights(path, model.state_dict())
    assert path.stat().st_size < 4 * sum(t.numel() for t in model.state_dict().values()) + 2_000
    other = archspec.build(SPEC)
    load_weights(other, path)
    x = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(other.eval()(x), model.eval()(x))


def test_it_is_exported_and_compiles_from_tied_weights(model: nn.Module) -> None:
    x = torch.randn(3, 1, 8, 8)
    exported = torch.export.export(model.eval(), (x,)).module()
    torch.testing.assert_close(exported(x), model(x))
    assert set(dict(exported.named_parameters())) == set(dict(model.named_parameters()))


def test_inference_rewrites_leave_it_alone(model: nn.Module) -> None:
    fast = archspec.build(SPEC, optimize="inference")
    fast.load_state_dict(model.state_dict())
    x = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(fast(x), model.eval()(x))
