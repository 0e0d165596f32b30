"""Losses and outputs that do not match, told where the loss is written."""

import pytest

import archspec.api
from tests.helpers import assert_marked, spec


def text(train, head="linear: 10"):
    return spec(f"stages: {{a: [flatten, {head}]}}\ntrain: {{lr: 0.1, {train}}}")


@pytest.mark.parametrize(("train", "code", "message"), [
    ("data: cifar10, loss: «mse»", "RUN323", "the images of cifar10 have classes, which mse does not take"),
    ("data: 'folder:x', loss: «bce»", "RUN323", "the images of folder:x have classes"),
    ("data: cifar10, loss: «{b: cross_entropy}»", "RUN326", "`loss` names b, the network's outputs are a"),
    ("data: cifar10, loss: «{a: cross_entropy, b: mse}»", "RUN326", "`loss` names b"),
    ("data: cifar10, loss: «{cross_entropy: {class_weights: [1, 2]}}»", "RUN323",
     "`class_weights` has 2 numbers, the output `a` has 10"),
])
def test_a_loss_that_does_not_match_is_marked(train, code, message):
    assert_marked(text(train), (code, message))


@pytest.mark.parametrize("loss", ["cross_entropy", "{a: cross_entropy}", "{cross_entropy: {class_weights: balanced}}"])
def test_a_loss_that_matches(loss):
    assert archspec.check(text(f"data: cifar10, loss: {loss}")) == ()


def test_a_recipe_without_a_loss_of_its_own_is_checked_where_the_base_has_it():
    written = text("data: cifar10, loss: «mse»") + "\nrecipes: {long: {epochs: 20}}\n"
    assert_marked(written, ("RUN323", "mse"))


@pytest.mark.parametrize(("loss", "warned"), [("cross_entropy", 1), ("mse", 0)])
def test_probabilities_at_the_end_are_wrong_for_a_loss_of_logits_only(loss, warned):
    data = "cifar10" if loss == "cross_entropy" else "'table:labels.csv'"
    found = archspec.api.examine(text(f"data: {data}, loss: {loss}", "linear: 10, softmax: -1"), training=True)
    assert [d.code for d in found.warnings] == ["SPEC061"] * warned
    assert found.errors == ()


def test_the_loss_of_each_output_that_the_hint_writes_suits_it():
    """An image or a single number has no classes; a loss that is written already stays."""
    head = "archspec: 1\ninput: [3, 8, 8]\noutputs: [label, map, size, other]\nstages:\n"
    stages = ("  map: [conv2d: {out_channels: 1, kernel_size: 1}]\n  size: [{flatten: {}, from: map}, linear: 1]\n"
              "  label: [{flatten: {}, from: map}, linear: 10]\n  other: [{flatten: {}, from: map}, linear: 2]\n")
    recipe = "train: {data: 'table:t.csv', lr: 0.1%s}\n"
    (found,) = [d for d in archspec.check(head + stages + recipe % ", loss: {other: l1}") if d.code == "RUN326"]
    assert found.hint == "write a loss for each: `loss: {label: cross_entropy, map: mse, size: mse, other: l1}`"
    loss = found.hint.split("`")[1]
    assert not [d for d in archspec.check(head + stages + recipe % f", {loss}") if d.code in ("RUN326", "RUN311")]
