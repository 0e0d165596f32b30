"""Seeded initialisation: a function of the seed, the rules' own distributions, nothing else disturbed."""

import math

import pytest
import torch
from torch import nn

import archspec
from archspec.backends.init import initialise, seeded, stream_seed
from archspec.language.finetuning import Initialisation
from archspec.language.shipped import shipped_specs
from tests.layers import conv, sequence


def network():
    return sequence(
        (3, 6, 6), conv(64, 5), "batch_norm2d", "relu", {"conv_transpose2d": {"out_channels": 32, "kernel_size": 3}}, "flatten",
        {"linear": 256}, "layer_norm", {"linear": {"out_features": 10, "bias": False}},
    )


def state(init="xavier_uniform", seed=0, model=None):
    model = network() if model is None else model
    chosen = init if isinstance(init, Initialisation) else Initialisation(weights=init)
    initialise(model, chosen, seed)
    return model.state_dict()


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


RULES = ["default", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "normal"]


@pytest.mark.parametrize("rule", RULES)
def test_a_function_of_the_seed(rule):
    first = state(rule, seed=7)
    torch.manual_seed(99)  # another global state, another model built in between
    assert equal(first, state(rule, seed=7))
    other = state(rule, seed=8)
    assert not torch.equal(first["0.weight"], other["0.weight"])
    assert not torch.equal(first["0.bias"], other["0.bias"])


def test_a_trained_model_is_made_fresh():
    model = network()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(5)
    assert equal(state(seed=1, model=model), state(seed=1))


@pytest.mark.parametrize("rule", RULES)
def test_the_global_random_state_stays(rule):
    model = network()
    before = torch.get_rng_state()
    initialise(model, Initialisation(weights=rule), 3)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("rule", "std"), [
    ("xavier_uniform", math.sqrt(2 / (512 + 256))),
    ("xavier_normal", math.sqrt(2 / (512 + 256))),
    ("kaiming_uniform", math.sqrt(2 / 512)),
    ("kaiming_normal", math.sqrt(2 / 512)),
    ("normal", 0.01),
    ("default", math.sqrt(1 / (3 * 512))),  # PyTorch: uniform within ±1/sqrt(fan_in)
])
def test_weights_have_the_rules_spread(rule, std):
    weight = state(rule)["5.weight"]
    assert weight.std().item() == pytest.approx(std, rel=0.02)
    assert abs(weight.mean().item()) < std / 50
    if "uniform" in rule:
        assert weight.abs().max().item() <= std * math.sqrt(3) * 1.0001
        assert weight.abs().max().item() > std * math.sqrt(3) * 0.99
    elif rule != "default":
        assert weight.abs().max().item() > std * 3


@pytest.mark.parametrize("name", ["0.weight", "3.weight", "5.weight", "7.weight"])
def test_the_rule_reaches_linear_conv_and_transposed_conv(name):
    assert not torch.equal(state("xavier_uniform")[name], state("kaiming_normal")[name])
    assert not torch.equal(state("xavier_uniform")[name], state("default")[name])


@pytest.mark.parametrize("name", ["1.weight", "1.bias", "1.running_var", "6.weight", "6.bias"])
def test_norms_start_as_in_pytorch(name):
    assert torch.equal(state("normal")[name], network().state_dict()[name])


def as_pytorch_does(model, weights, biases, seed):
    """Each module's own `reset_parameters`, then the rules, in the order of the modules."""
    weighted = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    rules = {
        "default": lambda weight: weight, "xavier_uniform": nn.init.xavier_uniform_,
        "kaiming_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    }
    with seeded(stream_seed(seed, "initialisation")), torch.no_grad():
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        for module in [m for m in model.modules() if isinstance(m, weighted)]:
            rules[weights](module.weight)
            if biases == "zeros" and module.bias is not None:
                nn.init.zeros_(module.bias)


SMALL = [name for name in shipped_specs() if archspec.load(name).report.params < 3_000_000]


@pytest.mark.parametrize("name", SMALL)
def test_a_network_starts_with_the_bits_that_pytorch_gives_it(name):
    ours, theirs = (archspec.build(archspec.load(name)) for _ in range(2))
    for weights, biases in (("default", "default"), ("xavier_uniform", "zeros"), ("kaiming_normal", "default")):
        initialise(ours, Initialisation(weights=weights, biases=biases), 5)
        as_pytorch_does(theirs, weights, biases, 5)
        assert equal(ours.state_dict(), theirs.state_dict())


def test_biases_are_pytorchs_unless_zeros():
    left = state("xavier_uniform")["5.bias"]
    assert 0 < left.abs().max().item() <= 1 / math.sqrt(512)
    zeros = state(Initialisation(weights="xavier_uniform", biases="zeros"))
    assert not zeros["0.bias"].any()
    assert not zeros["5.bias"].any()
    assert torch.equal(zeros["5.weight"], state("xavier_uniform")["5.weight"])


def test_a_name_is_the_rule_for_weights():
    model = network()
    initialise(model, "xavier_normal", 0)
    assert equal(model.state_dict(), state("xavier_normal"))


def test_another_device_is_refused():
    with pytest.raises(ValueError, match=r"0\.weight is on meta"):
        initialise(network().to("meta"), Initialisation(), 0)


def test_streams_of_one_seed_differ_and_are_stable():
    seeds = {stream_seed(seed, stream) for seed in range(50) for stream in ("initialisation", "training")}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert stream_seed(0, "training") == 4408142417808709903


def test_seeded_restores_the_state_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="stop"), seeded(4):
        torch.rand(3)
        raise RuntimeError("stop")
    assert torch.equal(before, torch.get_rng_state())
