"""Digests of networks and recipes: what they depend on, and that none changes unnoticed.

A digest that changes makes `--resume` refuse the runs of earlier releases. Where one has to (`digest.VERSION` says
how), or where a shipped spec itself has changed, write the golden file anew with
`ARCHSPEC_WRITE_GOLDEN=1 pytest tests/train/checkpoint/test_digest.py`.
"""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archspec.api import load
from archspec.language.recipe import Recipe
from archspec.language.shipped import shipped_specs
from archspec.ops import OPS
from archspec.ops.activation import LeakyReLU
from archspec.train.checkpoint.digest import VERSION, first_digest, graph_digest, is_digest_of, release_of, spec_digest

GOLDEN = Path(__file__).parents[2] / "golden" / "digests.json"
RECIPES = {
    "plain": {"data": "digits", "lr": 0.1},
    "sgd": {
        "data": "digits", "lr": 0.5, "batch_size": 32, "epochs": 3, "momentum": 0.9, "nesterov": True, "weight_decay": 0.001,
        "decay_norm_and_bias": False, "schedule": {"step": {"at": [1, 2], "factor": 0.2}}, "warmup": {"steps": 20},
        "init": {"weights": "kaiming_normal", "biases": "zeros"}, "normalize": {"mean": 0.5, "std": [0.25]}, "seed": 4,
        "early_stopping": {"patience": 2, "metric": "test_loss", "min_delta": 0.01},
    },
    "adamw": {
        "data": "fashion-mnist", "lr": 0.001, "optimizer": "adamw", "betas": [0.8, 0.99], "schedule": {"one_cycle": 0.2},
        "label_smoothing": 0.1, "clip_grad_norm": 1.0, "ema": 0.99, "augment": ["horizontal_flip", {"random_crop": 4}],
        "mixup": 0.2, "cutmix": 1.0, "early_stopping": 5,
    },
}
SPECS = ("lenet", "googlenet", "resnet18_96", "nin", "zoo/convnext_tiny", "zoo/mobilenet_v3_small", "zoo/unet",
         "zoo/shufflenet_v2_x1_0", "zoo/inception_v3", "alexnet_simplified")


def first_digests() -> dict[str, str]:
    """Of some networks, each with one of the recipes, as archspec 0.1 would take them."""
    names = list(RECIPES)
    return {
        name: first_digest(load(name).graph, Recipe.model_validate(RECIPES[names[k % len(names)]]))
        for k, name in enumerate(SPECS)
    }


def current() -> dict[str, Any]:
    loaded = {name: load(str(path)) for name, path in shipped_specs().items()}
    return {
        "version": VERSION,
        "graphs": {name: graph_digest(one.graph) for name, one in loaded.items()},
        "specs": {name: spec_digest(one.graph, one.recipe()) for name, one in loaded.items() if "train" in one.recipes},
        "defaults": {name: defaults(cls) for name, cls in {"recipe": Recipe, **OPS}.items()},
    }


def defaults(cls: Any) -> dict[str, str]:
    return {name: repr(field.default) for name, field in cls.model_fields.items() if not field.is_required()}


def test_no_digest_changes_unnoticed():
    """Nor a default, which digests leave out: one that changes needs another version."""
    if os.environ.get("ARCHSPEC_WRITE_GOLDEN"):
        first = json.loads(GOLDEN.read_text(encoding="utf-8"))["first"]  # of archspec 0.1: they never change
        GOLDEN.write_text(json.dumps(current() | {"first": first}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    golden, now = json.loads(GOLDEN.read_text(encoding="utf-8")), current()
    for part in ("version", "graphs", "specs"):
        assert now[part] == golden[part]
    for name, fields in golden["defaults"].items():
        assert fields == {field: now["defaults"][name].get(field) for field in fields}, name


def test_digests_of_0_1_are_taken_as_it_took_them():
    """The golden ones were computed by archspec 0.1.0 itself."""
    assert first_digests() == json.loads(GOLDEN.read_text(encoding="utf-8"))["first"]


@pytest.fixture
def network():
    return load("lenet").graph


def test_fields_that_come_later_change_nothing_at_their_default(network, monkeypatch):
    """As a release would add them: `validation` to recipes, a `slope_of` to an op."""
    recipe = Recipe.model_validate(RECIPES["plain"])
    graph = load({"archspec": 1, "input": [4], "stages": {"a": {"leaky_relu": 0.2}}}).graph
    before = spec_digest(graph, recipe), first_digest(graph, recipe)

    class Later(Recipe):
        later: float = 0.5

    class LaterRelu(LeakyReLU):
        later: int = 3

    def digests(op, recipe):
        changed = replace(graph, nodes=(graph.nodes[0]._replace(target=op),))
        return spec_digest(changed, recipe), first_digest(changed, recipe)

    later = Later.model_validate(RECIPES["plain"])
    assert digests(LaterRelu(negative_slope=0.2), later) == before
    for other in (digests(LaterRelu(negative_slope=0.2, later=4), later),
                  digests(LaterRelu(negative_slope=0.2), Later.model_validate({**RECIPES["plain"], "later": 1.0}))):
        assert other[0] != before[0] and other[1] != before[1]


@pytest.mark.parametrize("name", RECIPES)
def test_a_digest_of_either_method_is_known_again(network, name):
    recipe = Recipe.model_validate(RECIPES[name])
    other = recipe.model_copy(update={"lr": 0.3})
    for digest in (spec_digest(network, recipe), first_digest(network, recipe)):
        assert is_digest_of(digest, network, recipe)
        assert not is_digest_of(digest, network, other)
        assert not is_digest_of(digest, load("lenet_relu").graph, recipe)
    assert not is_digest_of("", network, recipe)
    assert [release_of(text) for text in (spec_digest(network, recipe), first_digest(network, recipe), "99:ab")] == [
        "this", "0.1", "newer",
    ]


@pytest.mark.parametrize(("one", "other"), [
    ({"schedule": "cosine"}, {"schedule": "one_cycle"}), ({"schedule": "constant"}, {"schedule": "cosine"}),
    ({"warmup": {"steps": 3}}, {"warmup": 3}), ({"augment": ["horizontal_flip"]}, {}),
    ({"early_stopping": 5}, {}), ({"optimizer": "adam"}, {"optimizer": "adamw"}),
])
def test_what_has_only_defaults_is_still_told_apart(network, one, other):
    recipes = [Recipe.model_validate({**RECIPES["plain"], **fields}) for fields in (one, other)]
    assert len({spec_digest(network, recipe) for recipe in recipes}) == 2


@pytest.mark.parametrize("written", [
    {"momentum": 0.0}, {"epochs": 10}, {"schedule": "constant"}, {"warmup": 0}, {"init": "default"}, {"seed": 0},
    {"init": {"weights": "default", "biases": "default"}}, {"batch_size": 64},
])
def test_a_default_may_be_written_out(network, written):
    digests = [spec_digest(network, Recipe.model_validate({**RECIPES["plain"], **fields})) for fields in ({}, written)]
    assert digests[0] == digests[1]
