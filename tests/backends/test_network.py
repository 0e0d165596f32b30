"""Networks with several inputs and outputs as torch modules."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

import archspec
from archspec.backends.network import Network
from archspec.testing import assert_built_shapes

HEADS = """\
archspec: 1
name: two_heads
input: {image: [3, 8, 8], extra: [5]}
stages:
  body: [{conv2d: {out_channels: 4, kernel_size: 3}, from: image}, batch_norm2d, relu, flatten]
  both: {concat: {image: [], extra: {from: extra}}}
  head: {linear: 4}
  aux: [{linear: 6, from: body}, dropout: 0.5, linear: 3]
  joined: {add: {a: {from: aux}, b: [{linear: 3, from: head}]}}
outputs: {head: always, joined: training, body: MODE}
"""
TRAINING, BOTH = HEADS.replace("MODE", "training"), HEADS.replace("MODE", "always")


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 8, 8, generator=generator), torch.randn(2, 5, generator=generator)


def by_hand(model: nn.Module, image: torch.Tensor, extra: torch.Tensor) -> dict[str, torch.Tensor]:
    body = model.body(image)
    head = model.head(torch.cat([body, extra], 1))
    joined = model.aux(body) + model.joined.b(head) if model.training else None
    return {"head": head, "joined": joined, "body": body}


def test_training_computes_all_outputs_in_their_order(inputs):
    model = archspec.build(TRAINING, seed=0).train()
    torch.manual_seed(0)
    outputs = model(*inputs)
    torch.manual_seed(0)
    expected = by_hand(model, *inputs)
    assert [*outputs] == ["head", "joined", "body"]
    assert all(torch.equal(outputs[name], expected[name]) for name in outputs)


def test_evaluation_computes_the_others_only(inputs):
    model = archspec.build(TRAINING, seed=0).eval()
    model.aux.forward = None  # calling it would raise
    assert torch.equal(model(*inputs), by_hand(model, *inputs)["head"])
    several = archspec.build(BOTH, seed=0).eval()
    outputs = several(*inputs)
    assert [*outputs] == ["head", "body"]
    assert torch.equal(outputs["body"], by_hand(several, *inputs)["body"])


def test_inputs_are_given_in_order_or_by_name(inputs):
    for source in (TRAINING, HEADS.replace("outputs: {head: always, joined: training, body: MODE}", "outputs: [head, joined]")):
        model = archspec.build(source, seed=0).eval()
        image, extra = inputs
        given = model(image, extra)
        for again in (model(image, extra=extra), model(extra=extra, image=image)):
            torch.testing.assert_close(again, given, rtol=0, atol=0)
        for ordered, named in (((image,), {}), ((image, extra, extra), {}), ((image,), {"extr": extra}), (inputs, {"extra": extra})):
            with pytest.raises(TypeError):
                model(*ordered, **named)


def test_evaluation_does_without_inputs_for_training_only(inputs):
    image, extra = inputs
    source = TRAINING.replace("{image: [3, 8, 8], extra: [5]}", "{hint: [3], image: [3, 8, 8], extra: [5]}").replace("b: [{linear: 3, from: head}]", "b: {from: hint}")
    model = archspec.build(source, seed=0).eval()
    assert torch.equal(model(image=image, extra=extra), model(torch.zeros(2, 3), image, extra))
    with pytest.raises(TypeError, match="takes hint, image, extra"):
        model.train()(image=image, extra=extra)


def test_one_input_with_a_name_is_given_by_name_too():
    model = archspec.build("archspec: 1\ninput: {image: [3, 8, 8]}\nstages: {a: [flatten, linear: 2]}\n")
    x = torch.randn(1, 3, 8, 8)
    assert torch.equal(model(image=x), model(x))
    assert [*model.state_dict()] == ["a.linear_1.weight", "a.linear_1.bias"]


def test_weights_for_training_only_are_in_the_state_dict_and_get_gradients(inputs):
    model = archspec.build(TRAINING, seed=0)
    assert {key.partition(".")[0] for key in model.state_dict()} == {"body", "head", "aux", "joined"}
    sum(y.sum() for y in model.train()(*inputs).values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_have_both_modes(inputs, twin):
    model = archspec.build(TRAINING, seed=0)
    other = twin(model)
    assert isinstance(other, Network)
    assert other.body is not model.body
    assert torch.equal(other.eval()(*inputs), model.eval()(*inputs))
    assert [*other.train()(*inputs)] == ["head", "joined", "body"]


def test_export_and_compile_have_evaluation_alone(inputs):
    model = archspec.build(TRAINING, seed=0).eval()
    exported = torch.export.export(model, inputs)
    torch.testing.assert_close(exported.module()(*inputs), model(*inputs))
    used = {node.target for node in exported.graph.nodes if node.op == "placeholder" and node.users}
    assert not any("aux" in str(name) for name in used)
    compiled = torch.compile(model, backend="eager")
    torch.testing.assert_close(compiled(*inputs), model(*inputs))
    assert [*compiled.train()(*inputs)] == ["head", "joined", "body"]


def test_a_stage_that_is_replaced_is_used(inputs):
    model = archspec.build(TRAINING, seed=0).eval()
    model.head = nn.Linear(149, 7)
    assert model(*inputs).shape == (2, 7)


def test_print_shows_the_stages():
    text = str(archspec.build(TRAINING))
    assert text.startswith("TwoHeads(")
    assert "(aux): Sequential(" in text


@pytest.mark.parametrize("source", [TRAINING, BOTH])
def test_for_inference_without_what_only_training_needs(inputs, source):
    model, fast = archspec.build(source, seed=0).eval(), archspec.build(source, seed=0, optimize="inference")
    torch.testing.assert_close(fast(*inputs), model(*inputs))
    assert not any(key.startswith(("aux", "joined")) for key in fast.state_dict())
    other = archspec.build(source, seed=1).eval()
    fast.load_state_dict(other.state_dict())
    torch.testing.assert_close(fast(*inputs), other(*inputs))


@pytest.mark.parametrize("source", [TRAINING, BOTH])
def test_built_shapes(source):
    assert_built_shapes(source)


def test_integers():
    source = "archspec: 1\ninput: {tokens: {shape: [4, 2], dtype: int64, below: 9}}\nstages: {a: flatten, b: {select: {dim: 1, index: 2}}}\noutputs: [a, b]\n"
    tokens = torch.arange(16).reshape(2, 4, 2)
    outputs = archspec.build(source)(tokens)
    assert torch.equal(outputs["b"], tokens[:, 1, 0])
    assert_built_shapes(source)
