"""What other libraries call ops, fields and recipe entries leads to the name that is meant here."""

from __future__ import annotations

import pytest

import archspec
from archspec.language import synonyms
from archspec.language.recipe import Recipe
from archspec.ops import OPS
from tests.helpers import assert_marked, spec


def test_every_synonym_leads_to_a_name_that_exists_and_is_none_itself() -> None:
    fields = {name for op in OPS.values() for name in op.model_fields}
    assert {field for fields in synonyms._FIELDS.values() for field in fields} <= fields
    assert set(synonyms._RECIPE.values()) <= set(Recipe.model_fields)
    assert not set(synonyms._RECIPE) & set(Recipe.model_fields)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("«cat»: {x: [], y: []}", "concat"), ("«view»: [-1]", "reshape"), ("«dense»: 10", "linear"), ("«fc»: 10", "linear"),
        ("«swish»", "silu"), ("«bn»", "batch_norm2d"), ("«Swish»", "silu"), ("«sum»: {x: [], y: []}", "add"),
        ("«maxpool»: 2", "max_pool2d"), ("«noop»", "identity"), ("«conv»: {out_channels: 3, kernel_size: 1}", "conv2d"),
        ("«body»: [relu]", "sequential"), ("«layers»: [relu, flatten]", "sequential"), ("«Seq»: [relu]", "sequential"),
    ],
)
def test_an_op_by_another_name_is_told_once_and_taken_as_it(wrong: str, right: str) -> None:
    text = spec(f"stages: {{a: [{wrong}]}}")
    (found,) = assert_marked(text, ("SPEC020", "no op or block"))
    assert found.hint == f"it is called `{right}` here"
    before, _, rest = text.partition("«")
    assert archspec.check(before + right + rest.partition("»")[2]) == ()


def test_a_block_of_the_file_whose_name_is_close_comes_first() -> None:
    (found,) = archspec.check(spec("stages: {a: [denses: 3], b: [dense: 3]}", "blocks: {denses: {params: {n: int}, body: {linear: $n}}}\n"))
    assert found.hint == "a similar name exists: `denses`"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("conv2d: {«filters»: 4, kernel_size: 3}", "out_channels"), ("conv2d: {out_channels: 4, «kernel»: 3}", "kernel_size"),
        ("linear: {«units»: 4}", "out_features"), ("dropout: {«rate»: 0.5}", "p"), ("softmax: {«axis»: 1}", "dim"),
        ("conv2d: {out_channels: 4, kernel_size: 3, «rate»: 2}", "dilation"),
    ],
)
def test_a_field_by_another_name(wrong: str, right: str) -> None:
    text = spec(f"stages: {{a: [{wrong}]}}")
    (found,) = assert_marked(text, ("SPEC010", "has no field"))
    assert found.hint == f"it is called `{right}` here"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("«learning_rate»: 0.1", "it is called `lr` here"), ("lr: 0.1, «wd»: 0.1", "it is called `weight_decay` here"),
        ("lr: 0.1, «warmup_epochs»: 2", "it is called `warmup` here"), ("lr: 0.1, «bs»: 3", "it is called `batch_size` here"),
        ("lr: 0.1, «warmup_steps»: 2", "write `warmup: {steps: 2}`"),
        ("lr: 0.1, «criterion»: cross_entropy", "it is called `loss` here"),
    ],
)
def test_a_recipe_s_field_by_another_name(wrong: str, hint: str) -> None:
    text = spec(f"stages: {{a: [flatten, linear: 10]}}\ntrain: {{data: cifar10, {wrong}}}")
    (found,) = assert_marked(text, ("SPEC060", "a recipe has no field"))
    assert found.hint == hint


def test_both_names_of_one_field() -> None:
    text = spec("stages: {a: [flatten, linear: 10]}\ntrain: {data: cifar10, lr: 0.1, «learning_rate»: 0.1}")
    (found,) = assert_marked(text, ("SPEC060", "a recipe has no field"))
    assert found.hint == "remove it: `lr` is written already"
    (found,) = assert_marked(text.replace("learning_rate", "lrr"), ("SPEC060", "a recipe has no field"))
    assert found.hint == "remove it: `lr` is written already"


@pytest.mark.parametrize(("given", "right"), [
    ("train.learning_rate=0.2", "train.lr=0.2"), ("train.epoch=3", "train.epochs=3"),
])
def test_another_name_for_what_the_file_has(given: str, right: str) -> None:
    """What `--set` gives replaces it, so there is nothing to remove."""
    text = spec("stages: {a: [flatten, linear: 10]}\ntrain: {data: cifar10, lr: 0.1, epochs: 2}")
    (found,) = archspec.check(text, sets=[given])
    assert found.hint == f"write `--set {right}`"
    assert not archspec.check(text, sets=[right])


@pytest.mark.parametrize(
    ("layer", "hint"),
    [
        ("conv2d: [16, 3]", "write `conv2d: {out_channels: 16, kernel_size: 3}`"),
        ("conv2d: 16", "write `conv2d: {out_channels: 16, kernel_size: …}`"),
        ("conv2d: [16, 3, 2, 1]", "write `conv2d: {out_channels: 16, kernel_size: 3, stride: 2, padding: 1}`"),
        ("upsample: 2", "write `upsample: {scale_factor: 2}`"), ("interpolate: [2, 1]", "write `interpolate: {scale_factor: [2, 1]}`"),
        ("relu: 3", "write `relu` alone"),
        ("batch_norm2d: 32", "write `batch_norm2d` alone"), ("batch_norm2d: [32]", "write `batch_norm2d` alone"),  # as PyTorch
        ("instance_norm2d: 8", "write `instance_norm2d` alone"), ("batch_norm2d: 0.001", "write `batch_norm2d: {eps: 0.001}`"),
    ],
)
def test_fields_without_their_names(layer: str, hint: str) -> None:
    (found,) = archspec.check(spec(f"stages: {{a: [{layer}]}}"))
    assert (found.code, found.hint) == ("SPEC021", hint)
    edit = hint.split("`")[1]
    if "…" not in hint:
        assert archspec.check(spec(f"stages: {{a: [{edit}]}}")) == ()


@pytest.mark.parametrize(
    ("layer", "message", "hint"),
    [
        (
            "conv2d: {out_channels: 7, kernel_size: 3, groups: 3}",
            "`conv2d`: out_channels (7) is not divisible by groups (3)", "set out_channels to 9",
        ),
        (
            "conv2d: {out_channels: 7, kernel_size: 5, stride: 2, padding: same}",
            "`conv2d`: padding `same` needs stride 1, not 2", "set padding to 2",
        ),
        ("upsample: {scale_factor: 2, align_corners: true}", "`upsample`: align_corners needs mode bilinear or bicubic", None),
        ("chunk: {chunks: 2, index: 2}", "`chunk`: index 2 of 2 chunks, the first of which is 0", "set index to 1"),
    ],
)
def test_a_rule_that_binds_fields_is_a_sentence_of_its_own(layer: str, message: str, hint: str | None) -> None:
    (found,) = archspec.check(spec(f"stages: {{a: [{layer}]}}"))
    assert (found.code, found.message, found.hint) == ("SPEC012", message, hint)
