"""Rewrites give the same as the network in evaluation, in float64; and only where they may."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import archspec
from archspec.backends.optimized import optimized
from archspec.backends.torch import build
from archspec.ir import Graph, sites
from archspec.ir.edit import inline
from archspec.ir.rewrites import fold_batch_norm, for_inference, fuse_convolutions
from tests.ir.graphs import Hand, batch, siamese


def ops(graph: Graph) -> list[str]:
    return [site.node.op.op for site in sites(graph)]


def unsettled(model: nn.Module, seed: int = 0) -> nn.Module:
    """In float64, with statistics and factors of norms as after training."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor in (module.running_mean, module.weight, module.bias):
                if tensor is not None:
                    nn.init.normal_(tensor)
            if module.running_var is not None:
                nn.init.uniform_(module.running_var, 0.3, 3)
    return model.double().eval()


def same(graph: Graph) -> Graph:
    """Assert that the rewritten network gives what the network gives; return its graph."""
    model = unsettled(build(graph))
    network = optimized(graph, model).double()
    network.load_state_dict(model.state_dict())
    inputs = [torch.randn(port.type.at(3).shape, dtype=torch.float64) for port in graph.inputs]
    with torch.no_grad():
        torch.testing.assert_close(network(*inputs), model(*inputs))
    return for_inference(graph).graph


def grown(draw: st.DrawFn, hand: Hand, values: list[Any], count: int) -> None:
    """Convolutions, norms, activations and sums on top of what is there, which may be taken more than once."""
    for k in range(count):
        x = draw(st.sampled_from(values[-3:]))
        channels = hand.type_of(x).shape[1]
        kind = draw(st.sampled_from(["conv", "conv", "norm", "norm", "siblings", "relu", "add"]))
        name = f"n{k}"
        if kind == "conv":
            groups = draw(st.sampled_from([1, channels]))
            width = channels if groups > 1 else draw(st.integers(1, 4))
            values.append(hand.add(
                name, "conv2d", x, out_channels=width, kernel_size=draw(st.sampled_from([1, 3])), padding="same",
                groups=groups, bias=draw(st.booleans()),
                padding_mode=draw(st.sampled_from(["zeros", "reflect", "circular"]))))
        elif kind == "norm":
            values.append(hand.add(
                name, "batch_norm2d", x, affine=draw(st.booleans()),
                track_running_stats=draw(st.sampled_from([True, True, True, False])),
                eps=draw(st.sampled_from([1e-5, 0.1]))))
        elif kind == "siblings":
            for j in range(draw(st.integers(2, 3))):
                values.append(hand.add(
                    f"{name}_{j}", "conv2d", x, out_channels=draw(st.integers(1, 4)), kernel_size=1,
                    bias=draw(st.booleans())))
                if draw(st.booleans()):
                    values.append(hand.add(f"{name}_{j}_norm", "batch_norm2d", values[-1]))
        elif kind == "relu":
            values.append(hand.add(name, "relu", x))
        else:
            like = [v for v in values if hand.type_of(v) == hand.type_of(x)]
            values.append(hand.add(name, "add", x, draw(st.sampled_from(like))))


@st.composite
def networks(draw: st.DrawFn) -> Graph:
    hand = Hand(x=batch(draw(st.integers(1, 3)), 6, 5))
    values = list(hand.inputs)
    grown(draw, hand, values, draw(st.integers(1, 7)))
    taken = {value for node in hand.nodes for value in node.inputs}
    ends = [v for v in values if v not in taken]
    return hand.graph(**{f"y{k}": value for k, value in enumerate(ends)})


@settings(max_examples=60, deadline=None)
@given(networks())
def test_the_same_for_any_network(graph: Graph) -> None:
    same(graph)


def conv(hand: Hand, name: str, x: Any, **fields: Any) -> Any:
    return hand.add(name, "conv2d", x, **{"out_channels": 3, "kernel_size": 1, "bias": False, **fields})


def folds(hand: Hand, **outputs: Any) -> bool:
    return "batch_norm2d" not in ops(same(hand.graph(**outputs)))


def test_folded() -> None:
    hand = Hand(x=batch(2, 4, 4))
    assert folds(hand, y=hand.add("b", "batch_norm2d", conv(hand, "a", hand.inputs[0])))


@pytest.mark.parametrize("fields", [{"track_running_stats": False}, {}])
def test_not_folded_where_the_batch_counts(fields: dict[str, Any]) -> None:
    hand = Hand(x=batch(2, 4, 4))
    assert folds(hand, y=hand.add("b", "batch_norm2d", conv(hand, "a", hand.inputs[0]), **fields)) is not bool(fields)


def test_not_folded_where_another_takes_the_convolution() -> None:
    hand = Hand(x=batch(2, 4, 4))
    a = conv(hand, "a", hand.inputs[0])
    assert not folds(hand, y=hand.add("c", "add", hand.add("b", "batch_norm2d", a), a))


def test_not_folded_where_the_convolution_is_an_output() -> None:
    hand = Hand(x=batch(2, 4, 4))
    a = conv(hand, "a", hand.inputs[0])
    assert not folds(hand, a=a, b=hand.add("b", "batch_norm2d", a))


def test_not_folded_where_the_convolution_comes_after() -> None:
    hand = Hand(x=batch(2, 4, 4))
    assert not folds(hand, y=conv(hand, "a", hand.add("b", "batch_norm2d", hand.inputs[0])))


def test_two_norms_in_a_row_are_folded_once_each() -> None:
    hand = Hand(x=batch(2, 4, 4))
    b = hand.add("b", "batch_norm2d", conv(hand, "a", hand.inputs[0]))
    assert ops(same(hand.graph(y=hand.add("c", "batch_norm2d", b)))) == ["conv2d", "batch_norm2d"]


def test_shared_towers_are_folded_together() -> None:
    graph = same(siamese())
    assert "batch_norm2d" not in ops(graph)
    assert [node.state for node in graph.nodes if node.name == "again.conv"] == ["tower.conv"]


@pytest.mark.parametrize("which", ["convolution", "norm", "norm elsewhere"])
def test_not_folded_where_only_one_of_the_two_is_shared(which: str) -> None:
    hand = Hand(x=batch(3, 4, 4))
    x = hand.inputs[0]
    b = hand.add("b", "batch_norm2d", conv(hand, "a", x))
    if which == "convolution":
        d = hand.add("d", "batch_norm2d", conv(hand, "c", b, state="a"))
    elif which == "norm":
        d = hand.add("d", "batch_norm2d", conv(hand, "c", b), state="b")
    else:
        d = hand.add("d", "batch_norm2d", hand.add("c", "relu", b), state="b")
    assert not folds(hand, y=d)


def siblings(**second: Any) -> Graph:
    hand = Hand(x=batch(4, 4, 4))
    x = hand.inputs[0]
    return hand.graph(a=conv(hand, "a", x), b=conv(hand, "b", x, **{"out_channels": 5, "bias": True, **second}))


def test_fused() -> None:
    graph = same(siblings())
    assert ops(graph) == ["conv2d", "split"] and graph.nodes[0].outputs[0].shape[1] == 8
    assert [port.name for port in graph.outputs] == ["a", "b"] and graph.results == ((1, 0), (1, 1))


@pytest.mark.parametrize("second", [
    {"kernel_size": 3, "padding": 1}, {"stride": 2}, {"padding": 1}, {"groups": 2, "out_channels": 4}])
def test_not_fused_with_another_geometry(second: dict[str, Any]) -> None:
    assert ops(same(siblings(**second))) == ["conv2d", "conv2d"]


def test_not_fused_where_weights_are_shared_or_values_differ() -> None:
    hand = Hand(x=batch(4, 4, 4))
    x = hand.inputs[0]
    a = conv(hand, "a", x, out_channels=4)
    b = conv(hand, "b", hand.add("r", "relu", a), out_channels=4, state="a")
    assert "split" not in ops(same(hand.graph(y=hand.add("s", "add", conv(hand, "c", x, out_channels=4), a, b))))


def test_one_after_another() -> None:
    """Siblings whose input is fused itself."""
    hand = Hand(x=batch(4, 4, 4))
    x = hand.inputs[0]
    a, b = (conv(hand, name, x) for name in "ab")
    c, d = (conv(hand, name, a) for name in "cd")
    assert ops(same(hand.graph(b=b, c=c, d=d))) == ["conv2d", "split", "conv2d", "split"]


# Norms that are left, and fused groups: 9 blocks of GoogLeNet have one each, of Inception v3 three A, four C, one D and
# two E; in DenseNet the norms before each convolution stay, those between two of them do not.
SPECS = {"resnet18": (0, 0), "googlenet": (0, 9), "zoo/densenet121": (62, 0), "zoo/inception_v3": (0, 10)}


@pytest.mark.parametrize("name", SPECS)
def test_shipped_networks(name: str) -> None:
    before = archspec.load(name).graph
    after = for_inference(before).graph
    norms, splits = (ops(after).count(op) for op in ("batch_norm2d", "split"))
    assert (norms, splits) == SPECS[name]


def test_each_rewrite_by_itself() -> None:
    flat = inline(archspec.load("googlenet").graph)
    assert ops(fold_batch_norm(flat).graph) == ops(flat)
    assert ops(fuse_convolutions(flat).graph).count("split") == 9


SMALL = """\
archspec: 1
name: small
input: [3, 8, 8]
stages:
  stem: [conv2d: {out_channels: 4, kernel_size: 3, bias: false}, batch_norm2d, relu]
  mix:
    concat:
      one: [conv2d: {out_channels: 2, kernel_size: 1}, relu]
      two: [conv2d: {out_channels: 3, kernel_size: 1}, relu, dropout: 0.5]
  head: [flatten, linear: 2]
"""
X = torch.randn(3, 3, 8, 8)


def test_build_takes_the_weights_of_the_network_as_it_is() -> None:
    trained = archspec.build(SMALL, seed=1)
    trained(X)  # in training mode: statistics move
    network = archspec.build(SMALL, optimize="inference")
    network.load_state_dict(trained.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(network(X), trained.eval()(X))
    assert "batch_norm2d" not in str(network) and not network.training


def test_build_with_a_seed_has_the_weights_of_that_seed() -> None:
    torch.testing.assert_close(archspec.build(SMALL, seed=5, optimize="inference")(X), archspec.build(SMALL, seed=5).eval()(X))


def test_build_draws_as_many_numbers_as_without() -> None:
    after = []
    for optimize in (None, "inference"):
        torch.manual_seed(0)
        archspec.build(SMALL, optimize=optimize)
        after.append(torch.rand(1))
    assert after[0] == after[1]


def test_its_own_weights_are_loaded_as_they_are() -> None:
    one, two = (archspec.build(SMALL, seed=k, optimize="inference") for k in (1, 2))
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(X), two(X))


def test_missing_and_unexpected_weights_are_named() -> None:
    network, state = archspec.build(SMALL, optimize="inference"), archspec.build(SMALL).state_dict()
    with pytest.raises(RuntimeError, match=r"Unexpected key.*extra"):
        network.load_state_dict(state | {"extra": torch.zeros(1)})
    del state["stem.conv2d_1.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*stem"):
        network.load_state_dict(state)


def test_it_cannot_train() -> None:
    network = archspec.build(SMALL, optimize="inference")
    with pytest.raises(RuntimeError, match="build it without `optimize`"):
        network.train()
    assert not network.eval().training
    with pytest.raises(ValueError, match="optimize must be"):
        archspec.build(SMALL, optimize="training")  # type: ignore[arg-type]


def test_half_precision_is_folded_in_float32() -> None:
    trained = unsettled(archspec.build(SMALL, seed=1)).half()
    network = archspec.build(SMALL, optimize="inference").half()
    network.load_state_dict(trained.state_dict())
    exact = archspec.build(SMALL, optimize="inference").double()
    exact.load_state_dict(trained.double().state_dict())
    for key, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor.double(), exact.state_dict()[key], rtol=1e-3, atol=1e-6)


def test_exported_and_compiled_as_any_other() -> None:
    network = archspec.build(SMALL, seed=1, optimize="inference")
    torch.testing.assert_close(torch.export.export(network, (X,)).module()(X), network(X))


@pytest.mark.parametrize("rank", [1, 3])
def test_a_norm_is_folded_in_other_ranks(rank: int) -> None:
    conv = {f"conv{rank}d": {"out_channels": 4, "kernel_size": 3}}
    data = {"archspec": 1, "input": [2, *[6] * rank], "stages": {"a": [conv, f"batch_norm{rank}d", "relu"]}}
    assert ops(same(archspec.load(data).graph)) == [f"conv{rank}d", "relu"]
