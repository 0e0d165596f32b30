"""What the language lacks is said, is not taken for the nearest name, and leaves what follows unknown."""

from __future__ import annotations

import pytest

import archspec
from archspec.language.lacking import lack_of
from archspec.language.synonyms import kind_called
from archspec.ops import OPS
from tests.helpers import assert_marked, spec

NAMES = [
    "causal_conv1d", "separable_conv1d", "depthwise_conv3d", "lp_pool1d", "fractional_max_pool3d", "lstm", "LSTM", "gru", "rnn", "spatial_attention", "cross_attention",
    "flash_attention", "transformer", "transformer_encoder_layer", "embedding_bag",
    "positional_encoding", "selu", "softplus", "glu", "einsum", "cross_entropy", "reflection_pad2d", "spectral_norm",
    "rms_norm", "depthwise_conv2d", "max_unpool2d", "fold", "dropout1d", "upsample3d",
    "max_unpool3d", "sync_norm3d", "maximum", "chomp", "CenterCrop", "last", "take_last", "exp", "clamp", "randn", "reparameterize", "mse_loss",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_that_archspec_lacks(name):
    text = spec(f"stages: {{a: [«{name}»: {{out_channels: 4, kernel_size: 3, hidden_size: 8}}, linear: 10, max_pool2d: 9],"
                " b: [flatten, linear: 3]}\nexpect: {b: [3]}")
    (found,) = assert_marked(text, ("SPEC020", f"no op or block `{name}`: archspec has no "))
    assert found.hint
    for word in found.hint.split("`")[1::2]:  # what to use instead exists
        op = word.split(":")[0]
        assert op in OPS or op in ("2d", "kernel_size", "stride", "groups", "padding_mode", "input", "loss", "train"), found.hint


def test_no_op_is_said_to_be_lacking():
    assert [op for op in OPS if op != "batch_norm1d" and lack_of(op)] == []
    assert lack_of("batch_norm1d", "batch_norm1d") is None


@pytest.mark.parametrize(("name", "near"), [("bach_norm1d", "batch_norm1d"), ("conv2dd", "conv2d"), ("max_pol2d", "max_pool2d")])
def test_a_misspelt_op_still_is_taken_for_the_nearest(name, near):
    (found,) = assert_marked(spec(f"stages: {{a: [«{name}»]}}"), ("SPEC020", f"no op or block `{name}`"))
    assert found.hint == f"a similar name exists: `{near}`"
    assert kind_called(name) is None


def test_a_block_of_ones_own_may_be_called_so():
    assert archspec.check(spec("stages: {a: [gru, lstm]}", "blocks: {gru: [relu], lstm: [relu]}\n")) == ()


@pytest.mark.parametrize("stages", ["{a: [flatten, linear: 10]}", "{a: [flatten, rleu, linear: 10]}", "{a: [max_pool2d: 40]}"])
@pytest.mark.parametrize("rest", ["", ", epochs: many", ", schedul: cosine"])
def test_an_unknown_data_set_is_told_whatever_else_is_wrong(stages, rest):
    found = archspec.check(spec(f"stages: {stages}\ntrain: {{data: mnst, lr: 0.1{rest}}}\nrecipes: {{b: {{data: cifr10}}}}"))
    assert [(d.code, d.hint) for d in found if d.code == "RUN304"] == [
        ("RUN304", "a similar name exists: `mnist`"), ("RUN304", "a similar name exists: `cifar10`"),
    ]


@pytest.mark.parametrize(("text", "code"), [
    ("stages: {a: [«\"relu\u200b\"»]}", "SPEC020"), ("stages: {«\"a\u00a0\"»: [relu]}", "SPEC022"),
    ("blocks: {«\"b\u3000c\"»: [relu]}\nstages: {a: [relu]}", "SPEC022"),
])
def test_a_name_in_quotes_with_a_character_that_cannot_be_seen(text, code):
    (found,) = assert_marked(spec(text), (code, "holds U+"))
    assert found.hint in ("a similar name exists: `relu`",) or "choose another name" in found.hint
