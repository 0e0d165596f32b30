"""Activation checkpointing: the bits of a step without it, in less memory."""

import copy

import pytest
import torch

from archspec.api import load
from archspec.backends.step import example_loss, inputs_of, step_peak_bytes
from archspec.backends.torch import build
from archspec.diagnostics import SpecError
from archspec.train.step.compile import compiled
from archspec.train.step.precision import Settings

SPEC = """archspec: 1
input: [3, 12, 12]
stages:
  stem: [conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, batch_norm2d, relu, dropout: 0.3]
  pool: {max_pool2d: 2}
  body:
    add:
      main: [conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, batch_norm2d: {momentum: null}, dropout: 0.3, relu]
      skip: []
  again: {share: body}
  two: {concat: {left: {conv2d: {out_channels: 4, kernel_size: 1}}, right: [{max_pool2d: 2, from: stem}]}}
  head: [global_avg_pool2d, flatten, linear: 4]
"""
AUXILIARY = """archspec: 1
input: {left: [3, 8, 8], right: [3, 8, 8]}
stages:
  a: [{conv2d: {out_channels: 4, kernel_size: 3}, from: left}, batch_norm2d, relu]
  b: [{conv2d: {out_channels: 4, kernel_size: 3}, from: right}, batch_norm2d, relu]
  sum: {add: {a: {from: a}, b: {from: b}}}
  head: [global_avg_pool2d, flatten, linear: 4]
  aux: [{dropout: 0.5, from: a}, global_avg_pool2d, flatten, linear: 4]
outputs: {head: always, aux: training}
"""


def trained(spec, recompute=(), *, dtype=None, steps=3, compile=False, frozen=""):
    """The state_dict after some steps, and the gradients of the last one."""
    graph = load(spec).graph
    torch.manual_seed(0)
    model = build(graph, recompute=recompute).train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not (frozen and name.startswith(frozen)))
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1, momentum=0.9)
    inputs = [torch.randn(port.type.at(6).shape) for port in graph.inputs]
    forward = torch.compile(model, backend="aot_eager", fullgraph=True) if compile else model
    for _ in range(steps):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            loss = example_loss(forward(*inputs), torch.arange(6) % 4)
        loss.backward()
        optimizer.step()
    return {**model.state_dict(), **{f"gradient of {name}": p.grad for name, p in model.named_parameters()}}


def differing(found, expected):
    assert list(found) == list(expected)
    return [name for name in found if found[name] is not expected[name] and not torch.equal(found[name], expected[name])]


@pytest.mark.parametrize("recompute", [["stem"], ["body"], ["again"], ["pool", "two"],
                                       ["stem", "pool", "body", "again", "two", "head"]], ids=str)
@pytest.mark.parametrize("dtype", [None, torch.bfloat16], ids=["fp32", "bf16"])
def test_a_step_has_the_same_bits(recompute, dtype):
    """Gradients, weights after three steps, running statistics, with dropout, shared weights and a skip connection."""
    assert not differing(trained(SPEC, recompute, dtype=dtype), trained(SPEC, dtype=dtype))


def test_parts_of_stages_have_the_same_bits():
    """A branch of a residual, a copy of a repeat whose weights another stage shares, a layer."""
    spec = SPEC.replace("  head:", "  deep: {sequential: [conv2d: {out_channels: 12, kernel_size: 1}, batch_norm2d, relu], "
                                   "repeat: 3}\n  head:")
    for parts in (["body.main", "deep.1"], ["stem.conv2d_1", "stem.dropout_1", "deep.0", "deep.2.batch_norm2d_1"]):
        assert not differing(trained(spec, parts), trained(spec))


def test_two_inputs_and_an_output_for_training_only():
    assert not differing(trained(AUXILIARY, ["a", "sum", "aux"]), trained(AUXILIARY))


def test_a_frozen_stage():
    assert not differing(trained(SPEC, ["stem", "body"], frozen="stem"), trained(SPEC, frozen="stem"))


def test_a_shipped_network():
    graph = load("resnet18", input=(1, 64, 64)).graph
    models = [build(graph)]
    models.append(build(graph, recompute=("b1", "b2", "b5")))
    models[1].load_state_dict(models[0].state_dict())
    x = torch.randn(2, 1, 64, 64)
    for model in models:
        model.train()(x).square().mean().backward()
    for (name, a), (other, b) in zip(models[0].named_parameters(), models[1].named_parameters(), strict=True):
        assert name == other
        assert torch.equal(a.grad, b.grad), name
    for a, b in zip(models[0].buffers(), models[1].buffers(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow  # compiling takes 6 s
@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_compiled():
    spec = SPEC.replace("batch_norm2d: {momentum: null}, dropout: 0.3", "batch_norm2d").replace(", dropout: 0.3", "")
    expected = trained(spec)
    for name, tensor in trained(spec, ["stem", "body"], compile=True).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-5, msg=name)


def test_a_stage_that_cannot_be_compiled_as_a_whole_is_an_error():
    """Half compiled, its second run would update running statistics again."""
    model = build(load(SPEC).graph, recompute=["body"]).train()
    forward = compiled(model, 4, Settings(compile=True), whole=True)
    with pytest.raises(SpecError, match="failed on this network"):
        forward(torch.randn(4, 3, 12, 12))


def test_evaluation_and_copies():
    graph = load(SPEC).graph
    model = build(graph, recompute=["stem", "body"]).eval()
    plain = build(graph).eval()
    plain.load_state_dict(model.state_dict())
    x = torch.randn(2, 3, 12, 12)
    assert torch.equal(model(x), plain(x))
    assert torch.equal(copy.deepcopy(model)(x), plain(x))
    assert model.stem[0] is model.get_submodule("stem.conv2d_1")


def test_an_interrupted_second_run_puts_the_statistics_back():
    model = build(load(SPEC).graph, recompute=["stem"]).train()
    loss = model(torch.randn(4, 3, 12, 12)).sum()
    before = {name: (buffer, buffer.clone()) for name, buffer in model.named_buffers()}

    def fail(*_):
        raise ValueError("out of luck")

    model.stem[2].register_forward_pre_hook(fail)
    with pytest.raises(ValueError, match="out of luck"):
        loss.backward()
    for name, buffer in model.named_buffers():
        assert buffer is before[name][0]
        assert torch.equal(buffer, before[name][1]), name


def peak(graph, recompute=()):
    """The bytes that torch has alive in a step of 16 images on the meta device."""
    with torch.device("meta"):
        model = build(graph, recompute=recompute).train()
    return step_peak_bytes(model, inputs_of(graph, 16))


def test_it_takes_less_memory():
    """Of ten equal stages, half of the activations: each stage's inputs, and what one stage keeps."""
    layers = "[conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, batch_norm2d, tanh, sigmoid]"
    graph = load("archspec: 1\ninput: [8, 32, 32]\nstages:\n" + "".join(f"  s{k}: {layers}\n" for k in range(10))).graph
    stages = [f"s{k}" for k in range(10)]
    peaks = [peak(graph, stages[:count]) / (16 * 8 * 32 * 32 * 4) for count in (0, 5, 10)]
    assert peaks[0] == pytest.approx(1 + 30 + 2, abs=1)
    assert peaks[1] == pytest.approx(1 + 5 + 15 + 2, abs=1)
    assert peaks[2] == pytest.approx(1 + 10 + 3 + 2, abs=1)


def test_a_network_frees_what_no_later_stage_uses():
    """As a chain does: a recomputed stage needs no more memory than its inputs."""
    stages = ["sigmoid", "{conv2d: {out_channels: 8, kernel_size: 1}}", "{add: {a: [], b: []}}", "relu", "flatten"]
    spec = "archspec: 1\ninput: [8, 64, 64]\nstages:\n" + "".join(f"  s{k}: {op}\n" for k, op in enumerate(stages))
    graph = load(spec).graph
    assert peak(graph, ["s4"]) == peak(graph)
