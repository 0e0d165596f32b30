"""What counts as the same spec, and what is told of everything else."""

import pytest

from archspec.api import load
from archspec.diagnostics import SpecError
from archspec.train.checkpoint.compatibility import (
    check_same_data,
    conditions,
    differences,
    network_change,
    recipe_changes,
)
from archspec.train.checkpoint.digest import spec_digest

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
vars: {n: 8, rate: 0.1}
blocks: {layer: {params: {width: int, slope: 0.1}, body: [linear: $width, leaky_relu: $slope]}}
stages: {a: [flatten, layer: $n, layer: $n], b: {linear: 10}}
train: {data: digits, lr: $rate, epochs: 5}
"""


def digest(text=SPEC):
    loaded = load(text)
    return spec_digest(loaded.graph, loaded.recipe())


@pytest.mark.parametrize("change", [
    ("name: tiny", "name: other  # a comment"), ("$rate", "$(1 * rate)"), ("$n, layer: $n", "$n, layer: $(4 + 4)"),
    ("train: {data: digits, lr: $rate", "train: {lr: $rate, batch_size: 64, data: digits"), ("epochs: 5", "epochs: 50"),
    ("input:", "description: words\ninput:"),
], ids=lambda c: c[1])
def test_the_same(change):
    text = SPEC.replace(*change)
    assert text != SPEC
    assert digest(text) == digest()


@pytest.mark.parametrize("change", [
    ("[1, 8, 8]", "[1, 8, 7]"), ("n: 8", "n: 9"), ("slope: 0.1", "slope: 0.2"),
    ("leaky_relu: $slope", "leaky_relu: $(2 * slope)"),
    ("b: {", "c: {"), ("layer: $n, layer: $n", "layer: $n"), ("rate: 0.1", "rate: 0.2"), ("digits", "mnist"),
    ("epochs: 5", "seed: 1"), ("epochs: 5", "momentum: 0.9"), ("epochs: 5", "schedule: cosine"),
], ids=lambda c: c[1])
def test_another(change):
    assert digest(SPEC.replace(*change)) != digest()


def test_epochs_count_where_the_schedule_depends_on_them():
    cosine = SPEC.replace("epochs: 5", "epochs: 5, schedule: cosine")
    assert digest(cosine) != digest(cosine.replace("epochs: 5", "epochs: 6"))
    steps = SPEC.replace("epochs: 5", "epochs: 5, schedule: {step: 2}")
    assert digest(steps) == digest(steps.replace("epochs: 5", "epochs: 6"))


def test_a_deep_repeat_is_hashed_once(monkeypatch):
    """The same block again and again: its digest is not taken for each of its 2048 layers."""
    blocks = ", ".join(f"b{k}: {{body: [b{k - 1}, b{k - 1}]}}" for k in range(1, 12))
    text = f"archspec: 1\ninput: [4]\nblocks: {{b0: {{body: relu}}, {blocks}}}\nstages: {{s: b11}}\n"
    text += "train: {data: digits, lr: 0.1}\n"
    loaded, hashed = load(text), []
    monkeypatch.setattr("archspec.train.checkpoint.digest._hash", lambda *parts: hashed.append(parts) or str(len(hashed)))
    spec_digest(loaded.graph, loaded.recipe())
    assert len(hashed) < 30


ABOUT = {
    "started": "today", "versions": {"torch": "2.14.0", "python": "3.11.7"}, "cpu": "a", "threads": 4, "seed": 3,
    "settings": {"precision": "fp32"}, "device": {"type": "cpu"},
    "data": {"train_images": 10, "test_images": 5, "train": "in memory"},
}


def test_what_decides_the_last_bits():
    assert conditions(ABOUT) == {
        "versions.torch": "2.14.0", "versions.python": "3.11.7", "cpu": "a", "threads": 4, "settings.precision": "fp32",
        "device.type": "cpu", "data.train_images": 10, "data.validation_images": None, "data.test_images": 5,
    }
    changed = {**ABOUT, "started": "tomorrow", "threads": 2, "versions": {"torch": "2.15.0", "python": "3.11.7"}}
    assert differences(conditions(ABOUT), conditions(changed)) == [
        "threads was 4, is 2", "torch was 2.14.0, is 2.15.0",
    ]
    assert differences({}, {"numpy": "2.0"}) == ["numpy was nothing, is 2.0"]


@pytest.mark.parametrize(("old", "new", "says"), [
    ("input: [1, 8, 8]", "input: [1, 9, 9]", "the network is different: input `input` was (1, 8, 8), is (1, 9, 9)"),
    ("vars: {n: 8", "vars: {n: 7", "the network is different: `a.layer_1.linear_1`: `out_features` was 8, is 7; differences: 2"),
    ("b: {linear: 10}", "b: {linear: 11}", "the network is different: `b`: `out_features` was 10, is 11"),
    ("b: {linear: 10}", "c: {linear: 10}", "the network is different: `b` is called `c`"),
    ("b: {linear: 10}", "b: {linear: 10}, c: relu", "the network is different: `c` was added: relu"),
])
def test_where_two_networks_differ(old, new, says):
    graphs = [load(text).graph for text in (SPEC, SPEC.replace(old, new))]
    assert network_change(*graphs) == says
    assert network_change(graphs[0], graphs[0]) is network_change(None, graphs[1]) is None


def test_changes_of_a_recipe():
    plain = {"epochs": 2, "schedule": "constant", "nesterov": False, "betas": [0.9, 0.99]}
    assert recipe_changes(plain, plain | {"epochs": 3, "nesterov": True, "betas": [0.9, 0.9]}) == {
        "nesterov": "nesterov was false, is true", "betas": "betas was [0.9, 0.99], is [0.9, 0.9]",
    }
    assert "all epochs" in recipe_changes(plain, plain | {"epochs": 3, "schedule": "cosine"})["epochs"]


def test_other_data_is_refused():
    check_same_data({"data.train_images": 10}, {"data.train_images": 10})
    check_same_data({}, {"data.train_images": 10})
    with pytest.raises(SpecError, match="the run had 10 training images, now it has 9"):
        check_same_data({"data.train_images": 10}, {"data.train_images": 9})
