"""A change as data, applied to a spec: the spec that comes of it is valid."""

import pytest

from archspec.api import load
from archspec.train.doctor.edit import apply_change, change_text
from tests.train.doctor.cases import conv, dense, repeated

TRAIN = {"data": "digits", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "decay_norm_and_bias": False}
SPECS = {
    "dense": dense(8, 8, between=({"dropout": {"p": 0.9}},)), "conv": conv(4, 4, dropout=0.5),
    "repeat": repeated(3, "sigmoid", 8), "lenet": dict(load("lenet").data), "nin": dict(load("nin").data),
}


def ops(spec):
    return [node.target.op for _, node, _ in load(spec).graph.walk()]


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("change", [
    {"train.lr": 0.01}, {"train.optimizer": "adam", "train.lr": 0.001}, {"train.weight_decay": 0},
    {"train.warmup": {"steps": 30}}, {"train.init": "kaiming_normal"}, {"layers.norm": "batch_norm"},
    {"layers.activation": "relu", "train.init": "kaiming_normal"}, {"layers.dropout": 0},
], ids=change_text)
def test_every_change_leaves_a_valid_spec(name, change):
    spec = {**SPECS[name], "train": TRAIN}
    before = repr(spec)
    loaded = load(apply_change(spec, change))
    assert repr(spec) == before
    for key, value in change.items():
        field = key.removeprefix("train.")
        if field != key and field not in ("init", "warmup"):
            assert getattr(loaded.recipe(), field) == value


@pytest.mark.parametrize(("spec", "norm", "count"), [
    (dense(8, 8), "batch_norm1d", 2), (conv(4, 4), "batch_norm2d", 2), (repeated(3, "sigmoid", 8), "batch_norm1d", 4),
    (SPECS["lenet"], "batch_norm2d", 2), (conv(4, norm=True), "batch_norm2d", 1),
], ids=["dense", "conv", "repeat", "lenet", "has-one"])
def test_batch_norm_goes_between_a_layer_with_weights_and_its_activation(spec, norm, count):
    assert ops(apply_change(spec, {"layers.norm": "batch_norm"})).count(norm) == count


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_batch_norm_is_of_the_convolution_s_rank(rank):
    layers = [{f"conv{rank}d": {"out_channels": 4, "kernel_size": 3}}, "relu", "flatten", {"linear": 2}]
    spec = {"archspec": 1, "input": [2, *[6] * rank], "stages": {"a": layers}}
    changed = apply_change(spec, {"layers.norm": "batch_norm"})
    assert ops(changed)[1] == f"batch_norm{rank}d" and load(changed)


def test_sigmoids_become_relus():
    changed = ops(apply_change(repeated(3, "sigmoid", 8), {"layers.activation": "relu"}))
    assert (changed.count("sigmoid"), changed.count("relu")) == (0, 4)


def test_dropout_of_a_single_layer_stage():
    spec = {"archspec": 1, "input": [1, 8, 8], "stages": {"a": "flatten", "d": {"dropout": 0.9}, "h": {"linear": 2}}}
    graph = load(apply_change(spec, {"layers.dropout": 0})).graph
    assert [node.target.p for _, node, _ in graph.walk() if node.target.op == "dropout"] == [0]


@pytest.mark.parametrize(("change", "text"), [
    ({"train.lr": 0.001}, "lr 0.001"), ({}, "no change"), ({"layers.norm": "batch_norm"}, "batch norm before each activation"),
    ({"layers.activation": "relu", "train.init": "kaiming_normal"}, "relu for sigmoid and tanh, init kaiming_normal"),
    ({"train.clip_grad_norm": None}, "no clip_grad_norm"), ({"train.warmup": {"steps": 30}}, "a warm-up of 30 steps"), ({"layers.dropout": 0}, "dropout 0"),
])
def test_in_words(change, text):
    assert change_text(change) == text
