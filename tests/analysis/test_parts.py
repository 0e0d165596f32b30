"""Parts that a recipe freezes or scales, and names that are none."""

import pytest

from archspec.analysis.parts import check_parts, frozen_tensors, holds, parts_with, rate_factors, tensors_of
from archspec.api import build, check, load
from archspec.diagnostics import SpecError
from archspec.language.recipe import Recipe
from tests.helpers import assert_marked

SPEC = """archspec: 1
input: [1, 8, 8]
stages:
  stem: [conv2d: {out_channels: 4, kernel_size: 3}, batch_norm2d, relu]
  stem2: [conv2d: {out_channels: 4, kernel_size: 3}]
  pool: [global_avg_pool2d]
  head: [flatten, linear: 10]
"""


def recipe(**fields):
    return Recipe.model_validate({"data": "digits", "lr": 0.1, **fields})


GRAPH = load(SPEC).graph


def test_tensors_are_those_of_the_module():
    assert [tensor.name for tensor in tensors_of(GRAPH)] == list(build(SPEC).state_dict())
    assert {t.name for t in tensors_of(GRAPH) if t.learned} == {name for name, _ in build(SPEC).named_parameters()}


def test_a_part_holds_what_lies_in_it_and_not_what_begins_alike():
    assert holds("stem", "stem.conv2d_1.weight")
    assert holds("stem.conv2d_1.weight", "stem.conv2d_1.weight")
    assert not holds("stem", "stem2.conv2d_1.weight")
    assert {name.partition(".")[0] for name in frozen_tensors(GRAPH, recipe(freeze="stem"))} == {"stem"}


@pytest.mark.parametrize(("freeze", "parts"), [
    (["stem"], ["stem"]), (["head.linear_1"], ["head"]), (["stem.batch_norm2d_1", "stem2"], ["stem.batch_norm2d_1", "stem2"]),
    (["head.linear_1.bias", "stem.conv2d_1.weight", "stem.conv2d_1.bias"], ["stem.conv2d_1", "head.linear_1.bias"]),
])
def test_the_largest_parts_that_hold_what_is_frozen(freeze, parts):
    frozen = frozen_tensors(GRAPH, recipe(freeze=freeze))
    assert parts_with(tensors_of(GRAPH), frozen) == parts
    assert frozen_tensors(GRAPH, recipe(freeze=parts)) == frozen


def test_a_part_that_shares_its_tensors_is_named_once():
    graph = load(SPEC.replace("  pool:", "  twin: {share: stem2, from: stem}\n  both: {add: {a: {from: stem2}, b: []}}\n  pool:")).graph
    assert parts_with(tensors_of(graph), frozen_tensors(graph, recipe(freeze=["twin"]))) == ["stem2"]


def test_nothing_is_frozen_or_scaled_unless_asked_for():
    assert (frozen_tensors(GRAPH, recipe()), rate_factors(GRAPH, recipe())) == (frozenset(), {})


def test_the_longest_name_counts():
    scales = {"stem": 2, "stem.conv2d_1": 3, "stem.conv2d_1.bias": 4}
    found = rate_factors(GRAPH, recipe(lr_scale=scales))
    assert (found["stem.conv2d_1.weight"], found["stem.conv2d_1.bias"], found["stem.batch_norm2d_1.weight"]) == (3, 4, 2)
    assert "head.linear_1.weight" not in found


@pytest.mark.parametrize("field", ["freeze: stem", "freeze: [stem, head.linear_1.bias]", "lr_scale: {head: 10}",
                                   "freeze: [stem], lr_scale: {stem2: 0.1, head: 10}"])
def test_what_fits_is_fine(field):
    assert not check(f"{SPEC}train: {{data: digits, lr: 0.1, {field}}}\n")


@pytest.mark.parametrize(("train", "mistakes"), [
    ("freeze: «stm»", [("SPEC063", "the network has no stage or layer `stm`")]),
    ("freeze: [stem, «hed»]", [("SPEC063", "the network has no stage or layer `hed`")]),
    ("freeze: [stem, «stem.conv2d»]", [("SPEC063", "no stage or layer `stem.conv2d`")]),
    ("freeze: [«pool», stem]", [("SPEC063", "`pool` has no parameters")]),
    ("freeze: [stem, stem2, «head»]", [("BUILD204", "every parameter is frozen: there is nothing to train")]),
    ("lr_scale: {«haed»: 10}", [("SPEC063", "the network has no stage or layer `haed`")]),
    ("freeze: stem, lr_scale: {«stem.conv2d_1»: 2}", [("SPEC063", "`stem.conv2d_1` is frozen: a rate of its own")]),
    ("lr_scale: {head: «0»}", [("SPEC060", "`lr_scale.head` must be more than 0")]),
    ("freeze: «[]»", [("SPEC060", "`freeze` must be the name of a stage or layer, or a list of them")]),
    ("init: {from: «'torchvision:resnet5O'»}", [("SPEC060", "`init.from` names a model of which torchvision publishes no")]),
    ("init: {from: «w.pth»}", [("SPEC060", "`init.from` must be a .safetensors file")]),
    ("init: «{strict: true}»", [("SPEC060", "`init` has `strict` without `from`")]),
])
def test_what_does_not_is_told_where_it_is_written(train, mistakes):
    assert_marked(f"{SPEC}train: {{data: digits, lr: 0.1, {train}}}\n", *mistakes)


def test_a_recipe_is_told_of_its_own_mistakes_only():
    """What it inherits was told already; what it adds may clash with it."""
    assert_marked(
        f"{SPEC}train: {{data: digits, lr: 0.1, freeze: [stem, «hed»]}}\n"
        "recipes:\n  longer: {epochs: 20}\n  other: {lr_scale: {head: 2, «stem»: 10}}\n  whole: {freeze: null}\n",
        ("SPEC063", "`hed`"), ("SPEC063", "`stem` is frozen"),
    )


def test_every_mistake_is_raised_before_a_run():
    with pytest.raises(SpecError) as caught:
        check_parts(GRAPH, recipe(freeze=["stm", "pool"], lr_scale={"nowhere": 2}))
    assert [d.code for d in caught.value.diagnostics] == ["SPEC063"] * 3


def test_shared_weights_are_frozen_wherever_they_are_used():
    """By the name of any stage that uses them; and a rate for one of these stages is for all."""
    shared = SPEC.replace("  pool:", "  tower: [conv2d: {out_channels: 4, kernel_size: 1}]\n  again: [share: tower]\n  pool:")
    graph = load(shared).graph
    names = {"tower.conv2d_1.weight", "tower.conv2d_1.bias"}
    assert frozen_tensors(graph, recipe(freeze="again")) == frozen_tensors(graph, recipe(freeze="tower")) == names
    assert rate_factors(graph, recipe(lr_scale={"again": 3})) == dict.fromkeys(names, 3)
    assert_marked(f"{shared}train: {{data: digits, lr: 0.1, freeze: tower, lr_scale: {{«again»: 2}}}}\n",
                  ("SPEC063", "`again` is frozen"))
