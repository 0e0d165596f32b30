"""Graphs with several inputs and outputs and with shared weights, through every pass."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from types import SimpleNamespace

import pytest
import torch

from archspec.analysis import cost_report
from archspec.analysis.totals import totals
from archspec.backends.init import initialise
from archspec.backends.own_kernels import use_own_kernels
from archspec.backends.torch import build, example_inputs
from archspec.ir import Graph, sites
from archspec.train.optimizer import parameter_groups
from tests.ir.graphs import Hand, batch, siamese, tower

CONV, NORM = 4 * 9, 2 * 4
PARAMS = CONV + NORM + (4 * 36 + 1)


def test_shared_weights_are_counted_once_and_run_twice() -> None:
    report = cost_report(siamese())
    assert report.params == PARAMS == sum(p.numel() for p in build(siamese()).parameters())
    assert report.buffers == 2 * 4 + 1
    assert report.macs == 2 * 36 * CONV + 4 * 36
    rows = {layer.path: (layer.params, layer.macs) for layer in report.layers()}
    assert rows["tower.conv"] == (CONV, 36 * CONV) and rows["again.conv"] == (0, 36 * CONV)
    assert report.input_shapes == ((1, 8, 8), (1, 8, 8)) and report.root.output_shapes == ((1,), (4, 6, 6))
    found = totals(siamese(), {})
    assert (found.params, found.macs, found.cost.buffers) == (report.params, report.macs, report.buffers)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_figures_of_a_batch_are_substituted(size: int) -> None:
    one, many = cost_report(siamese()), cost_report(siamese(), batch_size=size)
    assert (many.macs, many.activation_bytes) == (size * one.macs, size * one.activation_bytes)
    assert (many.params, many.root.cost.buffers) == (one.params, one.root.cost.buffers)


def test_built_with_arguments_and_results_by_name() -> None:
    model = build(siamese()).eval()
    left, right = (torch.randn(3, 1, 8, 8) for _ in range(2))
    found = model(left, right)
    assert list(found) == ["distance", "features"]
    torch.testing.assert_close(model(right=right, left=left), found)
    y = model.tower(left) + model.tower(right)
    torch.testing.assert_close(found["features"], y)
    torch.testing.assert_close(found["distance"], model.head(y.flatten(1)))


def test_state_dict_has_shared_weights_once() -> None:
    model = build(siamese())
    assert [key for key in model.state_dict() if key.startswith("again")] == []
    assert {key.split(".")[0] for key in model.state_dict()} == {"tower", "head"}
    other = build(siamese())
    other.load_state_dict(model.state_dict())
    x = example_inputs(siamese(), 2)
    torch.testing.assert_close(other.eval()(*x), model.eval()(*x))


def test_a_shared_weight_has_the_gradients_of_both_runs() -> None:
    model = build(siamese()).eval()
    left, right = (torch.randn(3, 1, 8, 8) for _ in range(2))
    model(left, right)["distance"].sum().backward()
    both = model.tower.conv.weight.grad.clone()
    parts = []
    for a, b in ((left, right.detach()), (left, right)):
        model.zero_grad()
        kept = model.tower(b if parts else a).detach()
        run = model.tower(a if not parts else b)
        hidden = (kept * 0 + run)
        model.head(hidden.flatten(1)).sum().backward()
        parts.append(model.tower.conv.weight.grad.clone())
    torch.testing.assert_close(both, parts[0] + parts[1])


def test_batch_norm_that_is_shared_is_updated_by_each_run() -> None:
    model = build(siamese()).train()
    model(torch.randn(4, 1, 8, 8), torch.randn(4, 1, 8, 8))
    assert model.tower.norm.num_batches_tracked == 2


def test_the_same_weights_whatever_copies_the_model() -> None:
    model = build(siamese())
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with torch.no_grad():
            copied.tower.conv.weight.zero_()
        x = torch.randn(2, 1, 8, 8)
        copied.eval()
        torch.testing.assert_close(copied(x, x)["features"], 2 * copied.tower(x))
        assert copied.again.owner is copied.tower


def test_initialised_and_trained_once() -> None:
    one, two = build(siamese()), build(siamese())
    for model in (one, two):
        initialise(model, "kaiming_normal", 3)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert len(list(one.parameters())) == 5


def test_exported() -> None:
    model, x = build(siamese()).eval(), tuple(torch.randn(2, 1, 8, 8) for _ in range(2))
    torch.testing.assert_close(torch.export.export(model, x).module()(*x), model(*x))


@pytest.mark.parametrize(("names", "arguments"), [
    (("class", "x"), ["class_", "x"]), (("1x", "import"), ["x0", "import_"]), (("a b", "x0"), ["x0_", "x0"]),
    (("input", "print"), ["input", "print"]), (("forward", "torch"), ["forward", "torch"]),
])
def test_any_name_of_an_input_and_output(names: tuple[str, str], arguments: list[str]) -> None:
    hand = Hand(**{name: batch(3) for name in names})
    outputs = (hand.add("a", "add", *hand.inputs), hand.add("b", "mul", *hand.inputs))
    model = build(hand.graph(**dict(zip(names, outputs, strict=True))))
    x, y = torch.ones(2, 3), 2 * torch.ones(2, 3)
    assert list(inspect.signature(model.forward).parameters) == arguments
    found = model(**dict(zip(arguments, (x, y), strict=True)))
    assert list(found) == [*names] and torch.equal(found[names[0]], x + y) and torch.equal(found[names[1]], x * y)


def test_what_looks_at_single_layers_leaves_shared_ones_alone() -> None:
    model = build(siamese())
    assert use_own_kernels(model, siamese(), channels_last=True) == []
    decayed = SimpleNamespace(decay_norm_and_bias=False)
    groups = parameter_groups(model, decayed)
    assert sorted(len(group["params"]) for group in groups) == [2, 3]


def test_printed() -> None:
    assert "distance" not in repr(build(siamese())) and "join(tower, again)" in repr(build(siamese()))


def test_integer_input() -> None:
    hand = Hand(image=batch(4), label=batch(4, dtype="int64"))
    y = hand.add("fc", "linear", hand.inputs[0], out_features=4)
    z = hand.add("keep", "identity", hand.inputs[1])
    graph = hand.graph(y=y, label=z)
    x = example_inputs(graph, 3)
    assert [t.dtype for t in x] == [torch.float32, torch.int64]
    found = build(graph)(*x)
    assert found["label"].dtype == torch.int64
    report = cost_report(graph)
    assert report.layers()[1].activation_bytes == 4 * 8  # of whatever dtype the others are
    assert graph.nodes[1].outputs[0].at(3).nbytes == 3 * 4 * 8


def shared_deep() -> Graph:
    """A layer inside a block that runs with the weights of one outside."""
    inner = Hand("block", x=batch(6))
    y = inner.add("again", "linear", inner.inputs[0], out_features=6, state="^first")
    block = inner.graph(verify=False, y=inner.add("act", "relu", y))
    hand = Hand(x=batch(6))
    a = hand.add("first", "linear", hand.inputs[0], out_features=6)
    return hand.graph(y=hand.add("block", block, a))


def test_weights_of_an_outer_graph() -> None:
    graph = shared_deep()
    assert cost_report(graph).params == 42
    model, x = build(graph), torch.randn(2, 6)
    assert list(model.state_dict()) == ["first.weight", "first.bias"]
    torch.testing.assert_close(model(x), model.first(model.first(x)).relu())
    assert [(site.path, site.state) for site in sites(graph)][1] == ("block.again", "first")


def test_a_shared_block_within_a_shared_block() -> None:
    part = tower(8)
    mid = Hand("block", x=batch(1, 8, 8))
    a = mid.add("a", part, mid.inputs[0])
    b = mid.add("b", part, mid.inputs[0], state="a")
    block = mid.graph(y=mid.add("sum", "add", a, b))
    hand = Hand(x=batch(1, 8, 8))
    c = hand.add("one", block, hand.inputs[0])
    d = hand.add("two", block, hand.inputs[0], state="one")
    graph = hand.graph(y=hand.add("sum", "add", c, d))
    assert {site.state for site in sites(graph) if site.path.endswith("conv")} == {"one.a.conv"}
    assert cost_report(graph).params == CONV + NORM == totals(graph, {}).params
    model = build(graph).eval()
    assert {key.rpartition(".")[0] for key in model.state_dict()} == {"one.a.conv", "one.a.norm"}
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(model(x), 4 * model.one.a(x))


def test_copies_of_a_repeat_with_one_set_of_weights() -> None:
    repeat = Hand("repeat", x=batch(6))
    y = repeat.inputs[0]
    for k in range(4):
        y = repeat.add(str(k), "linear", y, out_features=6, state="0" if k else None)
    hand = Hand(x=batch(6))
    graph = hand.graph(y=hand.add("stage", repeat.graph(y=y), hand.inputs[0]))
    report = cost_report(graph)
    assert (report.params, report.macs) == (42, 4 * 36)
    assert [(layer.path, layer.params) for layer in report.layers()] == [
        ("stage.0", 42), ("stage.1", 0), ("stage.2", 0), ("stage.3", 0)]
    model, x = build(graph), torch.randn(2, 6)
    assert list(model.state_dict()) == ["stage.0.weight", "stage.0.bias"]
    y = x
    for _ in range(4):
        y = model.stage[0](y)
    torch.testing.assert_close(model(x), y)


def test_a_tower_over_two_sizes() -> None:
    hand = Hand(large=batch(1, 12, 12), small=batch(1, 8, 8))
    a = hand.add("tower", tower(12), hand.inputs[0])
    b = hand.add("again", tower(8), hand.inputs[1], state="tower")
    graph = hand.graph(a=a, b=b)
    assert cost_report(graph).params == CONV + NORM
    assert cost_report(graph).macs == (100 + 36) * CONV
    found = build(graph).eval()(torch.randn(2, 1, 12, 12), torch.randn(2, 1, 8, 8))
    assert (found["a"].shape, found["b"].shape) == ((2, 4, 10, 10), (2, 4, 6, 6))


def test_nodes_are_compared_by_identity_and_graphs_by_meaning() -> None:
    one, two = siamese(), siamese()
    assert one.nodes[0] != two.nodes[0] and one.equals(two) and not one.equals(shared_deep())
    assert len({*one.nodes, *two.nodes}) == 10
    other = dataclasses.replace(one, nodes=(one.nodes[0], one.nodes[1]._replace(state=None), *one.nodes[2:]))
    assert not one.equals(other)


def test_who_can_deal_with_one_input_says_so() -> None:
    with pytest.raises(ValueError, match="one input; its inputs are: left, right"):
        _ = siamese().input
    with pytest.raises(ValueError, match="one output; its outputs are: distance, features"):
        _ = siamese().output
