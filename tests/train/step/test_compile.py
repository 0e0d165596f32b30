"""Compiling: the same losses, other batches as they are, a failure that is told."""

import pytest
import torch
from torch import nn

from archspec.diagnostics import SpecError
from archspec.train.loop import fit
from archspec.train.step import compile as module
from archspec.train.step.compile import compiled
from archspec.train.step.precision import Settings
from tests.train.helpers import CPU, batches, data, recipe

COMPILED = Settings(compile=True)


@pytest.fixture
def eager(monkeypatch):
    """torch.compile without a C++ compiler: what dynamo traces is run as it is. Gives the options it was called with."""
    options, true = [], torch.compile

    def compile(network, **given):
        options.append(given)
        return true(network, backend="aot_eager", dynamic=given["dynamic"])

    monkeypatch.setattr(torch, "compile", compile)
    yield options
    torch._dynamo.reset()


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))


def test_a_compiled_run_learns_the_same(eager):
    chosen, rows = recipe(epochs=2), []
    for settings in (Settings(), COMPILED):
        model = small()
        test = batches(data(20, split="test", seed=1), chosen, shuffle=False)
        summary = fit(model, batches(data(), chosen), test, chosen, device=CPU, settings=settings)
        rows.append(([(r.train_loss, r.evaluated_loss) for r in summary.epochs], [p.detach() for p in model.parameters()]))
    (losses, weights), (compiled_losses, compiled_weights) = rows
    assert [value for pair in losses for value in pair] == pytest.approx([v for pair in compiled_losses for v in pair], rel=1e-5)
    torch.testing.assert_close(weights, compiled_weights)
    assert eager == [{"dynamic": False, "mode": "default", "fullgraph": False}]


def test_only_whole_batches_are_compiled(eager):
    seen = []

    class Counts(nn.Module):
        def forward(self, x):
            seen.append((len(x), torch.compiler.is_compiling()))
            return x * 2

    network = Counts()
    forward = compiled(network, 4, Settings(compile=True, cuda_graphs=True))
    for size in (4, 3, 4, 1):
        torch.testing.assert_close(forward(torch.ones(size, 2)), torch.full((size, 2), 2.0))
    assert [size for size, compiling in seen if not compiling] == [3, 1]
    assert eager == [{"dynamic": False, "mode": "reduce-overhead", "fullgraph": False}]


def test_what_cannot_be_compiled_is_told(monkeypatch):
    def fails(network, **options):
        def call(batch):
            raise torch._dynamo.exc.InternalTorchDynamoError("no C++ compiler\nand more")

        return call

    monkeypatch.setattr(module.torch, "compile", fails)
    with pytest.raises(SpecError) as caught:
        compiled(small(), 2, COMPILED)(torch.zeros(2, 1, 8, 8))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RUN321"
    assert diagnostic.notes == ("no C++ compiler",)
    assert "--compile" in diagnostic.hint
