"""The probe: what it measures, against the same in plain torch; and that it leaves no trace."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archspec.ops.traits import FAMILIES, RECTIFIED
from archspec.train.doctor import measure
from archspec.train.doctor.measure import Probe, first_batch, input_figures, stuck_share
from tests.layers import conv, sequence


def net():
    torch.manual_seed(0)
    return sequence(
        (1, 8, 8), conv(6, 3), "batch_norm2d", "relu", "flatten", "dropout",
        {"linear": 8}, "sigmoid", {"linear": 7}, "tanh", {"linear": 4},
    )


X, Y = torch.rand(32, 1, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(32) % 4


def step(model, rate=0.5):
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    torch.manual_seed(2)
    F.cross_entropy(model(X), Y).backward()
    optimizer.step()
    return optimizer


def measured(model):
    probe = Probe(model)
    step(model)
    return probe.sample(1, 0.5, [float(figure) for figure in probe.figures(model, X)])


def test_norms_are_those_of_the_step():
    model, twin = net(), net()
    sample = measured(model)
    before = {name: p.detach().clone() for name, p in twin.named_parameters()}
    step(twin)
    expected = {
        name: (before[name].norm(), p.grad.norm(), (p.detach() - before[name]).norm())
        for name, p in twin.named_parameters() if p.ndim > 1
    }
    assert [w.name for w in sample.weights] == list(expected)
    for weight in sample.weights:
        assert (weight.norm, weight.gradient, weight.update) == pytest.approx(tuple(map(float, expected[weight.name])))
        assert weight.ratio == pytest.approx(0.5 * weight.gradient / weight.norm, rel=1e-4)


def test_layers_stand_in_order_with_their_kind_and_units():
    assert [(a.name, a.kind, a.units) for a in measured(net()).activations] == [
        ("2", "relu", 6), ("6", "sigmoid", 8), ("8", "tanh", 7),
    ]


def test_dead_and_saturated_units_are_counted():
    model = net()
    with torch.no_grad():
        model[1].bias[:3] = -100.0  # 3 of 6 channels are never positive
        model[5].bias[:2], model[5].bias[2:4] = 50.0, -50.0  # 4 of 8 sigmoids
        model[7].bias[0] = 20.0  # 1 of 7 tanh
    assert [a.stuck for a in measured(model).activations] == pytest.approx([3 / 6, 4 / 8, 1 / 7])


@pytest.mark.parametrize(("output", "kind", "share"), [
    ([[0.0, 0.0, 1.0], [0.0, 2.0, 0.0]], "relu", 1 / 3),
    ([[0.999, 0.001, 0.5], [0.998, 0.999, 0.5]], "sigmoid", 1 / 3),  # the second is at both ends: it tells them apart
    ([[0.999, -0.999], [0.5, -0.995]], "tanh", 1 / 2),
    ([[-0.985], [-0.97]], "tanh", 0.0),
])
def test_a_unit_is_stuck_if_it_is_for_every_image(output, kind, share):
    assert float(stuck_share(torch.tensor(output), FAMILIES[kind])) == pytest.approx(share)


def test_a_batch_in_pieces_is_one_measurement():
    """A unit that is dead in one piece and alive in the other is alive."""
    model = sequence((3,), {"linear": {"out_features": 4, "bias": False}}, "relu")
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0], [-1, -1, 0], [-1, -1, 0]]))
    x = torch.zeros(32, 3)
    x[:16, 0] = x[16:, 1] = x[20, 0] = 1.0  # the first piece wakes unit 0, the second 0 and 1
    probe = Probe(model)
    for part in x.split(16):
        model(part).sum().backward()
    (activation,) = probe.sample(1, 0.5, [float(f) for f in probe.figures(model, x)]).activations
    assert (activation.name, activation.units, activation.stuck) == ("1", 4, 0.5)


def test_one_live_pixel_makes_a_live_channel():
    output = torch.zeros(4, 2, 5, 5)
    output[3, 1, 4, 4] = 1e-6
    assert float(stuck_share(output, RECTIFIED)) == 0.5


def test_what_the_network_computes_stays_the_same():
    model, twin = net(), net()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    probe = Probe(model)
    assert torch.equal(before, torch.get_rng_state())
    step(model)
    after = torch.get_rng_state()
    probe.figures(model, X)
    assert torch.equal(after, torch.get_rng_state())
    step(twin)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True))
    assert not any(module._forward_hooks for module in model.modules())


def test_evaluation_is_not_measured():
    model = net()
    probe = Probe(model)
    model.eval()(X)
    model.train()
    step(model)
    assert len(probe.sample(1, 0.5, [float(f) for f in probe.figures(model, X)]).activations) == 3


def test_a_few_images_say_nothing_of_units():
    model, few = net(), X[: measure.FEWEST - 1]
    probe = Probe(model)
    F.cross_entropy(model(few), Y[: len(few)]).backward()
    sample = probe.sample(1, 0.5, [float(f) for f in probe.figures(model, few)])
    assert sample.activations == ()
    assert len(sample.weights) == 4


def test_frozen_and_unused_weights_are_left_out():
    model = net()
    model[0].weight.requires_grad_(False)
    model.spare = nn.Linear(3, 3)
    model.spare.weight.requires_grad_(True)
    probe = Probe(model)
    F.cross_entropy(model[:-1](X), Y).backward()
    names = [w.name for w in probe.sample(1, 0.5, [float(f) for f in probe.figures(model, X)]).weights]
    assert names == ["5.weight", "7.weight", "9.weight"]


def test_of_a_large_weight_some_rows_are_measured(monkeypatch):
    monkeypatch.setattr(measure, "MOST_ELEMENTS", 600)
    model = sequence((1, 8, 8), "flatten", {"linear": 40}, "relu", {"linear": 4})  # 2560: every fifth row
    before = model[1].weight.detach()[::5].clone()
    sample = measured(model)
    assert sample.weights[0].norm == pytest.approx(float(before.norm()))
    assert sample.weights[0].update == pytest.approx(float((model[1].weight.detach()[::5] - before).norm()))
    assert sample.weights[1].norm > 0


@pytest.mark.parametrize("wrap", ["in-place", "wrapped"])
def test_a_compiled_network_is_looked_into_by_a_pass_of_its_own(wrap):
    """Compiled code passes hooks by. Running statistics and random state stay as they were."""
    model = net()
    with torch.no_grad():
        model[1].bias[:3] = -100.0
    if wrap == "wrapped":
        compiled = torch.compile(model, backend="eager")
    else:
        compiled = model
        compiled.compile(backend="eager")
    step(compiled)  # compiles
    probe = Probe(compiled)
    step(compiled)
    buffers, state = copy.deepcopy(dict(model.named_buffers())), torch.get_rng_state()
    sample = probe.sample(2, 0.5, [float(f) for f in probe.figures(compiled, X)])
    assert [(a.name, a.units) for a in sample.activations] == [("2", 6), ("6", 8), ("8", 7)]
    assert sample.activations[0].stuck == 0.5
    assert [w.name for w in sample.weights] == ["0.weight", "5.weight", "7.weight", "9.weight"]
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())


def test_the_figures_of_the_first_batch():
    images = torch.rand(8, 3, 4, 4)
    batch = first_batch(1, 8, [float(f) for f in input_figures(images)])
    assert (batch.mean, batch.std) == pytest.approx((float(images.mean()), float(images.std(correction=0))))
    assert batch.spread == pytest.approx(float(images.std(0, correction=0).max()))
    assert batch.finite
    images[2, 1, 0, 0] = float("inf")
    assert not first_batch(1, 8, [float(f) for f in input_figures(images)]).finite
    assert first_batch(1, 1, [float(f) for f in input_figures(images[:1])]).spread is None
