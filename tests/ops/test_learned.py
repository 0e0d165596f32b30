"""`parameter`: its shape, its start, its decay, and that it is expanded instead of copied."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.backends.init import initialise
from archspec.ir.digest import chosen_fields
from archspec.ops import infer_outputs, make_op
from archspec.ops.parameters import Normal, TruncatedNormal
from archspec.types import BATCH, BatchDim, TensorType
from tests.helpers import assert_marked, spec

TOKENS = """\
archspec: 1
input: [3, 32, 32]
vars: {dim: 16}
stages:
  patches: [conv2d: {out_channels: $dim, kernel_size: 8, stride: 8}, flatten: {start_dim: 2}, permute: [0, 2, 1]]
  tokens:
    - concat: {cls: {parameter: {shape: [1, $dim], init: ones}}, patches: [], dim: 1}
    - add: {tokens: [], position: {parameter: {shape: [$in.length, $dim], init: {normal: 0.5}}}}
  head: [{mul: {x: [], scale: {parameter: {shape: [1, $dim], init: {truncated_normal: 2}}}}}, flatten, linear: 2]
"""


def test_the_tokens_of_a_vit() -> None:
    model, x = archspec.build(TOKENS), torch.randn(3, 3, 32, 32)
    report = archspec.load(TOKENS).report
    assert report.shapes["tokens"] == (17, 16)
    assert report.params == sum(p.numel() for p in model.parameters()) == 3 * 64 * 16 + 16 + 16 + 17 * 16 + 16 + 17 * 32 + 2
    cls, position = model.tokens.concat_1.cls.value, model.tokens.add_1.position.value
    wanted = torch.cat([cls.expand(3, 1, 16), model.patches(x)], 1) + position
    torch.testing.assert_close(model.tokens(model.patches(x)), wanted)


def test_it_starts_as_written_whatever_the_recipe_says() -> None:
    for init in ("default", "kaiming_normal"):
        model = archspec.build(TOKENS)
        initialise(model, init, seed=3)
        model.requires_grad_(False)
        assert bool((model.tokens.concat_1.cls.value == 1).all())
        assert 0.3 < float(model.tokens.add_1.position.value.std()) < 0.7
        assert float(model.head.mul_1.scale.value.abs().max()) <= 2
    other = archspec.build(TOKENS)
    initialise(other, "default", seed=3)
    torch.testing.assert_close(other.tokens.add_1.position.value, model.tokens.add_1.position.value)


def test_a_truncated_normal_is_torchs() -> None:
    model = archspec.build(spec("stages:\n  a: {parameter: {shape: [50, 40], init: {truncated_normal: 1.5}}}"))
    initialise(model, "default", seed=0)
    value = model.a.value.detach()
    assert float(value.abs().max()) <= 2 and float(value.abs().max()) > 1.9  # cut off, not clamped
    assert not bool((value.abs() == 2).any())


def test_it_is_expanded_not_copied() -> None:
    module = make_op("parameter", {"shape": [2, 3], "init": "zeros"}).build(TensorType((BATCH, 5)))
    y = module(torch.zeros(7, 5))
    assert y.shape == (7, 2, 3) and y.stride() == (0, 3, 1) and y.data_ptr() == module.value.data_ptr()
    y.sum().backward()
    assert bool((module.value.grad == 7).all())


@pytest.mark.parametrize(("shape", "decays"), [(4, False), ([4], False), ([1, 4], True), ([2, 3, 4], True)])
def test_a_vector_does_not_decay(shape: object, decays: bool) -> None:
    specs = make_op("parameter", {"shape": shape, "init": "zeros"}).parameters(TensorType((BATCH, 5)))
    assert [s.decays for s in specs.values()] == [decays]


def test_it_starts_so_without_a_seed_too() -> None:
    value = archspec.build(TOKENS).tokens.add_1.position.value.detach()
    assert 0.3 < float(value.std()) < 0.7


def test_torch_counts_and_exports_it_without_gradients() -> None:
    model, x = archspec.build(TOKENS).eval(), torch.randn(2, 3, 32, 32)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        y = model(x)
    assert counter.get_total_flops() == 2 * archspec.analyze(TOKENS, batch_size=2).macs
    exported = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("n", min=2)},)).module()
    torch.testing.assert_close(exported(x), y)
    torch.testing.assert_close(exported(torch.cat([x, x]))[2:], y)


def test_any_input_gives_the_batch() -> None:
    op = make_op("parameter", {"shape": [2], "init": {"normal": 1}})
    assert infer_outputs(op, (TensorType((BATCH, 9), "int64", 4),)) == (TensorType((BATCH, 2)),)
    assert infer_outputs(op, (TensorType((BatchDim(4), 9)),)) == (TensorType((BatchDim(4), 2)),)


@pytest.mark.parametrize(("init", "rule"), [
    ("zeros", 0.0), ("ones", 1.0), ({"normal": 0.02}, Normal(0.02)), ({"truncated_normal": 1}, TruncatedNormal(1.0)),
])
def test_its_start_is_in_its_weights_and_its_digest(init: object, rule: object) -> None:
    op = make_op("parameter", {"shape": [2, 3], "init": init})
    assert op.parameters(TensorType((BATCH, 5)))["value"].init == rule
    assert chosen_fields(op) == {"shape": [2, 3], "init": init}
    assert make_op("parameter", chosen_fields(op)) == op


@pytest.mark.parametrize("init", ["normal", "zero", {"normal": 0}, {"normal": -1.0}, {"normal": "x"}, {"uniform": 1},
                                  {"normal": 1, "truncated_normal": 1}, 0, None, [1], {"normal": float("inf")}])
def test_other_starts_are_refused(init: object) -> None:
    with pytest.raises(ValidationError):
        make_op("parameter", {"shape": [2], "init": init})


@pytest.mark.parametrize(("layer", "code", "hint"), [
    ("add: {x: [], y: {parameter: {shape: [16, 16], init: zeros}}}", "SHAPE103", "write `shape: [17, 16]` in `y`"),
    ("add: {x: [], y: [{parameter: {shape: 16, init: zeros}}]}", "SHAPE103", "write `shape: [17, 16]` in `y`"),
    ("mul: {x: {parameter: {shape: [1, 17], init: ones}}, y: []}", "SHAPE103", "write `shape: [1, 16]` in `x`"),
    ("concat: {x: {parameter: {shape: [1, 8], init: ones}}, y: []}", "SHAPE104", "write `shape: [1, 16]` in `x`"),
    ("concat: {x: {parameter: {shape: [5, 8], init: ones}}, y: [], dim: 2}", "SHAPE104", "write `shape: [17, 8]` in `x`"),
    ("add: {x: [], y: {parameter: {shape: [17, $(8)], init: zeros}}}", "SHAPE103", "write `shape: [17, 16]` in `y`"),
])
def test_a_shape_that_does_not_fit_a_merge(layer: str, code: str, hint: str) -> None:
    kind, _, rest = layer.partition(":")
    (found,) = assert_marked(f"archspec: 1\ninput: [17, 16]\nstages:\n  a: {{«{kind}»:{rest}}}\n", (code, "disagree in"))
    assert found.hint == hint
