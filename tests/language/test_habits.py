"""What people write by habit from other libraries: the hint says how it is written here, and works."""

from __future__ import annotations

import pytest

import archspec
from tests.hints import applied

IMAGE = "archspec: 1\ninput: [3, 28, 28]\n"
HEAD = "[flatten, linear: 10]"


def hint_of(text: str, code: str, *, fixed: bool = True) -> str:
    """The hint of the only mistake of this code; with the fix the spec is valid."""
    (found,) = [one for one in archspec.check(text) if one.code == code]
    assert (found.fix is not None) == fixed
    if found.fix is not None:
        assert archspec.check(applied(text, found.fix)) == ()
    return str(found.hint)


@pytest.mark.parametrize(("key", "option"), [
    ("precision: bf16", "--precision"), ("amp: true", "--precision"), ("device: cuda", "--device"),
    ("num_workers: 4", "--workers"), ("channels_last: true", "--channels-last"), ("compile: true", "--compile"),
])
def test_settings_of_the_machine_are_options_of_train(key, option):
    text = f"{IMAGE}stages: {{a: {HEAD}}}\ntrain: {{data: cifar10, lr: 0.1, {key}}}\n"
    assert hint_of(text, "SPEC060", fixed=False) == f"it is an option of `archspec train`: `{option}`"


@pytest.mark.parametrize(("field", "hint"), [
    ("schedule: cos", "write `cosine`"), ("schedule: CosineAnnealingLR", "write `cosine`"), ("schedule: OneCycleLR", "write `one_cycle`"),
    ("early_stopping: {patience: 3, metric: acc}", "write `accuracy`"),
    ("schedule: {cosine: 10}", "write `cosine`"), ("schedule: {one_cycle: 500}", "write `one_cycle`"),
])
def test_names_of_choices(field, hint):
    assert hint_of(f"{IMAGE}stages: {{a: {HEAD}}}\ntrain: {{data: cifar10, lr: 0.1, {field}}}\n", "SPEC060") == hint


def test_fields_of_an_optimizer_stand_beside_it():
    text = f"{IMAGE}stages: {{a: {HEAD}}}\ntrain: {{data: cifar10, lr: 0.1, optimizer: {{AdamW: {{weight_decay: 0.01}}}}}}\n"
    assert hint_of(text, "SPEC060", fixed=False) == "write `adamw`, and its fields beside it"


@pytest.mark.parametrize("key", ["vocab", "vocab_size", "num_embeddings"])
def test_the_size_of_a_vocabulary(key):
    text = f"archspec: 1\ninput: {{tokens: {{shape: [16], dtype: int64, {key}: 100}}}}\nstages: {{a: [embedding: 8, mean: 1, linear: 2]}}\n"
    assert hint_of(text, "SPEC010") == "it is called `below` here"


@pytest.mark.parametrize(("written", "meant"), [
    ("23.53k", "23530"), ("0.02353M", "23530"), ("23.53 K", "23530"), ("0.00002353G", "23530"), ("0.00002353B", "23530"),
])
def test_counts_with_a_unit(written, meant):
    text = f"{IMAGE}stages: {{a: {HEAD}}}\nexpect: {{params: {written}}}\n"
    assert hint_of(text, "SPEC012") == f"write `{meant}`"


def test_a_shape_of_one_number_is_a_list():
    assert hint_of(f"{IMAGE}stages: {{a: {HEAD}}}\nexpect: {{output: 10}}\n", "SPEC012") == "write `[10]`"


@pytest.mark.parametrize(("value", "op"), [("relu", "relu"), ("ReLU", "relu"), ("swish", "silu")])
def test_an_activation_is_a_layer(value, op):
    text = f"{IMAGE}stages: {{a: [conv2d: {{out_channels: 4, kernel_size: 3, activation: {value}}}]}}\n"
    assert hint_of(text, "SPEC010", fixed=False) == f"write it as the next layer: `{op}`"


def test_same_padding_with_a_stride_in_a_block_is_half_of_every_call_s_kernel():
    block = "blocks: {b: {params: {k: 3}, body: [conv2d: {out_channels: 4, kernel_size: $k, stride: 2, padding: same}]}}\n"
    text = f"{IMAGE}{block}stages: {{a: [b: 7, b: 5, b: ]}}\n"
    found = archspec.check(text)[0]
    assert str(found.hint) == "write `padding: $(k // 2)`"
    assert archspec.check(applied(text, found.fix)) == ()


@pytest.mark.parametrize(("layer", "hint"), [
    ("conv2d: [64, 128, 3]", "write `conv2d: {out_channels: 128, kernel_size: 3}`: the input's size (64) is inferred"),
    ("conv2d: [64, 128]", "write `conv2d: {out_channels: 128, kernel_size: …}`: the input's size (64) is inferred"),
    ("conv2d: [64, 3]", "write `conv2d: {out_channels: 64, kernel_size: 3}`"),
])
def test_lists_of_arguments_where_the_input_is_not_known(layer, hint):
    """As after another mistake: nobody means a window of 128 then."""
    found = archspec.check(f"{IMAGE}stages: {{a: [conv: 64, {layer}]}}\n")
    assert [str(one.hint).partition("; two layers")[0] for one in found if one.code == "SPEC021"] == [hint]


@pytest.mark.parametrize("below", [", below: 100", ""])
def test_an_embedding_has_its_sizes_in_pytorch_s_order(below):
    tokens = f"{{tokens: {{shape: [16], dtype: int64{below}}}}}"
    text = f"archspec: 1\ninput: {tokens}\nstages: {{a: [embedding: [100, 8], mean: 1, linear: 2]}}\n"
    (found,) = [one for one in archspec.check(text) if one.code == "SPEC012"]
    assert str(found.hint) == "write `embedding: 8`: the input's size (100) is inferred"
    assert {one.code for one in archspec.check(applied(text, found.fix))} == (set() if below else {"SPEC011"})


@pytest.mark.parametrize(("written", "meant"), [
    ("$(w * 2.5)", "write `$(int(w * 2.5))`"), ("$(w / 4)", "use `//`, which gives an integer"), ("$(w / 3)", "use `//`, which gives an integer"),
    ("$(w * r)", "write `$(int(w * r))`"),
])
def test_an_expression_that_gives_no_integer_stays_an_expression(written, meant):
    text = f"{IMAGE}vars: {{w: 8, r: 2.5}}\nstages: {{a: [conv2d: {{out_channels: {written}, kernel_size: 3}}, dropout: $(r / 5)]}}\n"
    assert hint_of(text, "SPEC012") == meant


@pytest.mark.parametrize(("stages", "code", "hint"), [
    ("{x: [conv2d: {out_channels: 8, kernel_size: 1}, mul: {x: [], s: [global_avg_pool2d, flatten, linear: 8, sigmoid]}]}",
     "SHAPE103", "end `s` with `reshape: [$in.features, 1, 1]`"),
    ("{x: [global_avg_pool2d, sequential: [flatten, mul: {x: [], s: [reshape: [3, 1, 1]]}]]}", "SHAPE103", "end `s` with `flatten`"),
    ("{x: [global_avg_pool2d, concat: {a: [], b: [flatten, linear: 4]}, linear: 2]}", "SHAPE104", "end `a` with `flatten`"),
    ("{x: [max_pool2d: {kernel_size: 3, stride: 2, padding: same}]}", "SPEC012", "set padding to 1"),
    ("{x: [avg_pool2d: {kernel_size: [2, 5], stride: 2, padding: valid}]}", "SPEC012", "set padding to 0"),
    ("{x: [flatten: 2, select: 0]}", "SPEC021", "write `select: {dim: 1, index: 0}`"),
    ("{x: [flatten: 2, permute: [0, 2, 1], add: {x: [], pos: {parameter: [784, 3]}}]}", "SPEC021",
     "write `parameter: {shape: [784, 3], init: zeros}`"),
])
def test_habits_in_layers(stages, code, hint):
    assert hint_of(f"{IMAGE}stages: {stages}\n", code) == hint


@pytest.mark.parametrize(("init", "hint", "message"), [
    ("trunc_normal_", None, "must be {truncated_normal: std}, with a standard deviation such as 0.02"),
    ("{trunc_normal: 0.02}", None, "must be {truncated_normal: std}, with a standard deviation such as 0.02"),
    ("linspace", "write a value such as zeros", "must be zeros, ones, {normal: std} or {truncated_normal: std}"),
])
def test_starts_of_learned_tensors(init, hint, message):
    (found,) = archspec.check(f"{IMAGE}stages: {{x: [flatten, add: {{x: [], b: {{parameter: {{shape: [2352], init: {init}}}}}}}]}}\n")
    assert message in found.message


BLOCK = "blocks: {{skip: {{params: {{c: int, s: 1}}, body: [add: {{main: [{layer}], skip: []}}]}}}}\n"


@pytest.mark.parametrize(("shape", "layer", "call", "hint"), [
    ("[3, 28, 28]", "conv2d: {out_channels: $c, kernel_size: 1, stride: $s}", "[8, 2]",
     "write `skip: {conv2d: {out_channels: $c, kernel_size: 1, stride: $s}, when: $(s != 1 or in.channels != c)}`"),
    ("[3, 28]", "conv1d: {out_channels: $c, kernel_size: 1, stride: $s}", "[8, 2]",
     "write `skip: {conv1d: {out_channels: $c, kernel_size: 1, stride: $s}, when: $(s != 1 or in.channels != c)}`"),
    ("[3, 8, 8, 8]", "conv3d: {out_channels: $c, kernel_size: 1, stride: $s}", "[8, 2]",
     "write `skip: {conv3d: {out_channels: $c, kernel_size: 1, stride: $s}, when: $(s != 1 or in.channels != c)}`"),
    ("[30]", "linear: {out_features: $(c * s)}, linear: {out_features: $c}", "[8, 2]",
     "write `skip: {linear: $c, when: $(in.features != c)}`"),
])
def test_the_conditional_shortcut_of_a_block(shape, layer, call, hint):
    blocks = BLOCK.format(layer=layer)
    assert hint_of(f"archspec: 1\ninput: {shape}\n{blocks}stages: {{x: {{skip: {call}}}}}\n", "SHAPE103") == hint


@pytest.mark.parametrize(("text", "hint"), [
    ("input: [8]\nstages: {a: [{linear: 8, name: gate}, relu, mul: {x: [], t: «gate»}]}",
     "`gate` is a layer: `{share: gate}` runs it again with its weights, `{from: gate}` takes its output"),
    ("input: [8]\nstages: {a: [relu, mul: {x: [], t: [«input», sigmoid]}]}", "write `{from: input}` for that input"),
    ("input: {one: [8], two: [8]}\nstages: {a: [{relu: , from: one}, mul: {x: [], t: «two»}]}", "write `{from: two}` for that input"),
    ("input: [8]\nblocks: {f: {params: {skip: layer}, body: [add: {x: [], y: $skip}]}}\n"
     "stages: {a: [{linear: 8, name: early}, relu, f: {skip: «early»}]}",
     "`early` is a layer: `{share: early}` runs it again with its weights, `{from: early}` takes its output"),
])
def test_the_name_of_a_value_where_a_layer_belongs(text, hint):
    plain = text.replace("«", "").replace("»", "")
    assert hint in [one.hint for one in archspec.check(f"archspec: 1\n{plain}\n") if one.code == "SPEC020"]
    changed = text.replace("«", "{from: ").replace("»", "}")
    assert archspec.check(f"archspec: 1\n{changed}\n") == ()


def test_the_name_of_a_later_layer_is_no_value():
    (found,) = archspec.check("archspec: 1\ninput: [8]\nstages: {a: [mul: {x: [], t: gate}, {linear: 8, name: gate}]}\n")
    assert found.hint == "`archspec list` shows all ops and blocks"


@pytest.mark.parametrize(("groups", "hint"), [
    ("$c", "write `groups: $in.channels`"), ("$(c // 2)", "write `groups: $in.channels`"), ("4", "set groups to 3"),
])
def test_a_depthwise_convolution_in_a_block(groups, hint):
    blocks = f"blocks: {{sep: {{params: {{c: int}}, body: [conv2d: {{out_channels: $c, kernel_size: 3, groups: {groups}}}]}}}}\n"
    text = f"{IMAGE}{blocks}stages: {{a: [sep: 12, sep: 24]}}\n"
    found = [one for one in archspec.check(text) if one.code == "SHAPE102"]
    assert found[0].hint == hint
    if "$" in hint:
        assert archspec.check(text.replace(f"groups: {groups}", "groups: $in.channels")) == ()


@pytest.mark.parametrize(("layer", "code", "hint"), [
    ("conv2d: {out_channels: 4, kernel_size: 3, padding: 1, padding_mode: mirror}", "SPEC012", "write `reflect`"),
    ("conv2d: {out_channels: 4, kernel_size: 3, padding: 1, padding_mode: wrap}", "SPEC012", "write `circular`"),
    ("upsample: {scale_factor: 2, mode: linear}", "SPEC012", "write `bilinear`"),
])
def test_words_that_fields_take(layer, code, hint):
    assert hint_of(f"{IMAGE}stages: {{a: [{layer}]}}\n", code) == hint


@pytest.mark.parametrize("shape", ["3x28x28", "[3, 28x28]", "[3x28, 28]", "'3, 28, 28'"])
def test_sizes_in_one_word(shape):
    assert hint_of(f"archspec: 1\ninput: {shape}\nstages: {{a: {HEAD}}}\n", "SPEC012") == "write `[3, 28, 28]`"


def test_a_name_that_is_not_defined():
    text = f"{IMAGE}stages: {{a: [flatten, linear: $classes]}}\n"
    assert hint_of(text, "SPEC031", fixed=False) == "add `classes` to `vars`"
    assert archspec.check(f"vars: {{classes: 10}}\n{text}") == ()


@pytest.mark.parametrize(("shape", "rank"), [("[12, 64]", 1), ("[3, 28, 28]", 2), ("[2, 8, 8, 8]", 3)])
@pytest.mark.parametrize("name", ["conv", "max_pool", "maxpool", "batch_norm", "bn", "adaptive_avg_pool", "conv_transpose"])
def test_a_name_without_a_rank_is_the_op_for_the_input(name, shape, rank):
    """Which the layer before has computed from it."""
    fields = {"conv": "{out_channels: 4, kernel_size: 3}", "conv_transpose": "{out_channels: 4, kernel_size: 3}"}
    layer = f"{name}: {fields.get(name, 1)}" if "b" not in name[:2] else name
    text = f"archspec: 1\ninput: {shape}\nstages: {{a: [relu, {layer}, flatten, linear: 10]}}\n"
    (found,) = archspec.check(text)
    op = {"maxpool": "max_pool", "bn": "batch_norm"}.get(name, name)
    assert found.code == "SPEC020"
    assert f"`{op}{rank}d`" in str(found.hint)
    assert archspec.check(applied(text, found.fix)) == ()


def test_a_name_with_another_rank_keeps_it():
    text = "archspec: 1\ninput: [12, 64]\nstages: {a: [convv2d: {out_channels: 4, kernel_size: 3}]}\n"
    assert "`conv2d`" in str(archspec.check(text)[0].hint)


def test_a_name_that_a_block_does_not_have():
    text = f"{IMAGE}blocks: {{b: {{params: {{c: 4}}, body: [conv2d: {{out_channels: $c, kernel_size: $size}}]}}}}\nstages: {{a: [b: ]}}\n"
    assert hint_of(text, "SPEC031", fixed=False) == "add `size` to `vars`, or to the `params` of `b`"
    assert archspec.check(text.replace("{c: 4}", "{c: 4, size: 3}")) == ()


@pytest.mark.parametrize(("layer", "hint", "right"), [
    ("{max_pool2d: 2, stride: 2}", "write its fields together: `max_pool2d: {kernel_size: 2, stride: 2}`", "max_pool2d: {kernel_size: 2, stride: 2}"),
    ("{max_pool2d: 2, strid: 1}", "write its fields together: `max_pool2d: {kernel_size: 2, stride: 1}`", "max_pool2d: {kernel_size: 2, stride: 1}"),
    ("{conv2d: {out_channels: 4, kernel_size: 3}, bias: false}", "write `bias: false` inside the braces of `conv2d`",
     "conv2d: {out_channels: 4, kernel_size: 3, bias: false}"),
    ("{batch_norm2d: , affine: false}", "write its fields together: `batch_norm2d: {affine: false}`", "batch_norm2d: {affine: false}"),
    ("{max_pool2d: 2, relu: }", "start a new list item: `- relu`", "max_pool2d: 2, relu"),
])
def test_a_field_beside_its_op(layer, hint, right):
    assert hint_of(f"{IMAGE}stages: {{a: [{layer}]}}\n", "SPEC021", fixed=False) == hint
    assert archspec.check(f"{IMAGE}stages: {{a: [{right}]}}\n") == ()


@pytest.mark.parametrize(("argument", "written"), [
    ('"10, bias=False"', "linear: {out_features: 10, bias: false}"), ('"10 bias: false"', "linear: {out_features: 10, bias: false}"),
    ('"(10, use_bias=True)"', "linear: {out_features: 10, bias: true}"), ("out_features=10", "linear: 10"),
])
def test_arguments_as_in_a_call(argument, written):
    text = f"{IMAGE}stages: {{a: [flatten, linear: {argument}]}}\n"
    assert hint_of(text, "SPEC012") == f"write `{written}`"


@pytest.mark.parametrize(("argument", "activation"), [("10 softmax", "softmax: -1"), ("10, ReLU", "relu"), ("swish 10", "silu")])
def test_an_activation_beside_a_size_is_the_next_layer(argument, activation):
    text = f'{IMAGE}stages: {{a: [flatten, linear: "{argument}"]}}\n'
    assert hint_of(text, "SPEC012", fixed=False) == f"write `linear: 10`, and `{activation}` as the next layer"
    assert archspec.check(text.replace(f'linear: "{argument}"', f"linear: 10, {activation}")) == ()


@pytest.mark.parametrize("argument", ["10 of 20", "ten relu units", "relu", "0 relu", "10, size=3", "10, bias=maybe", "10 relu gelu", "10 conv2d", f"10, bias={'1' * 150}"])
def test_other_words_beside_a_size_mean_nothing_known(argument):
    (found,) = archspec.check(f'{IMAGE}stages: {{a: [flatten, linear: "{argument}"]}}\n')
    assert "as the next layer" not in str(found.hint)
    assert found.fix is None


def test_half_padding_is_same():
    text = f"{IMAGE}stages: {{a: [conv2d: {{out_channels: 4, kernel_size: 3, padding: half}}]}}\n"
    assert hint_of(text, "SPEC012") == "write `same`"


def test_branches_given_to_a_block_are_a_merge_s():
    text = f"{IMAGE}stages: {{a: [residual: {{main: [conv2d: {{out_channels: 3, kernel_size: 1}}], skip: []}}]}}\n"
    assert hint_of(text, "SPEC024") == "write `add` for branches given here"
    beside = text.replace("{main:", "{channels: 3, main:")
    assert "`residual` has no param `main`" in [one.message for one in archspec.check(beside)]
