"""An op added in one place gets everything: counts, decay, start, layout, diagnostics, schema, docs, pytest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import archspec
from archspec.analysis.linear_chains import linear_chains
from archspec.backends.built import build_layer
from archspec.backends.init import initialise
from archspec.cli import cli
from archspec.language.recipe import Recipe
from archspec.language.schema import json_schema
from archspec.lsp.docs import op_docs
from archspec.train.doctor.edit import apply_change
from archspec.train.doctor.measure import Probe
from archspec.train.doctor.patient import facts_of
from archspec.train.doctor.second_look import draws
from archspec.train.loop import fit
from archspec.train.optimizer import make_optimizer, parameter_groups
from archspec.train.setup import Machine, fresh_model
from archspec.train.step.precision import Settings
from archspec.train.tune.candidates import Candidate
from archspec.train.tune.measure import COMPARED, Problem, measure
from archspec.types import TensorType
from docs import generate
from tests.helpers import assert_marked, spec
from tests.ops.own import (
    EXAMPLE,
    Hardtanh,
    Noise,
    Positions,
    PowerMean,
    PowerPool2d,
    RMSNorm,
    Softplus,
    VolumePool,
    WeightedAdd,
    registered,
)
from tests.train.helpers import CPU, batches, data, recipe

TEXT = """
archspec: 1
name: own
input: [3, 8, 8]
stages:
  body: [conv2d: {out_channels: 4, kernel_size: 3, padding: 1}, softplus, power_pool2d: 4]
  head: [flatten, rms_norm, linear: 10]
expect: {body: [4, 2, 2], head: [10], params: 299, macs: 7072}
train: {data: cifar10, lr: 0.1, weight_decay: 0.01, decay_norm_and_bias: false}
"""


@pytest.fixture(autouse=True)
def own() -> Iterator[None]:
    with registered(PowerPool2d, RMSNorm, Softplus, Hardtanh, Noise, VolumePool, Positions, WeightedAdd):
        yield


def model() -> nn.Module:
    return archspec.build(archspec.load(TEXT))


def test_shapes_and_counts_are_right() -> None:
    report = archspec.load(TEXT).report
    found = {layer.path: (layer.params, layer.output_shape) for layer in report.layers()}
    assert found["body.power_pool2d_1"] == (1, (4, 2, 2))
    assert found["head.rms_norm_1"] == (16, (16,))
    assert report.params == sum(p.numel() for p in model().parameters())


def test_weight_decay_spares_what_the_op_says() -> None:
    built = model()
    names = {id(p): name for name, p in built.named_parameters()}
    decayed, spared = parameter_groups(built, Recipe(data="cifar10", lr=0.1, weight_decay=0.1, decay_norm_and_bias=False))
    assert {names[id(p)] for p in decayed["params"]} == {"body.conv2d_1.weight", "head.linear_1.weight"}
    assert {"body.power_pool2d_1.p", "head.rms_norm_1.weight"} < {names[id(p)] for p in spared["params"]}


def test_a_network_is_made_fresh() -> None:
    first, second = model(), model()
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.fill_(9.0)
    for each in (first, second):
        initialise(each, "kaiming_normal", 3)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))
    assert first.state_dict()["body.power_pool2d_1.p"] == 3.0
    assert first(torch.randn(2, 3, 8, 8)).shape == (2, 10)


def test_a_table_starts_normal_decays_and_counts() -> None:
    loaded = archspec.load("archspec: 1\ninput: [3, 32, 32]\nstages: {a: [positions: {width: 0.5}], b: [flatten, linear: 2]}\n")
    first, second = archspec.build(loaded), archspec.build(loaded)
    for each in (first, second):
        each(torch.zeros(1, 3, 32, 32))
        initialise(each, "xavier_uniform", 1)
    table = first.get_parameter("a.positions_1.table")
    assert torch.equal(table, second.get_parameter("a.positions_1.table"))
    assert table.std().item() == pytest.approx(0.5, rel=0.05)
    assert first.get_buffer("a.positions_1.passes") == 0
    assert (loaded.report.params, loaded.report.buffers) == (3072 + 6146, 1)
    decayed, _ = parameter_groups(first, Recipe(data="cifar10", lr=0.1, weight_decay=0.1, decay_norm_and_bias=False))
    assert any(p is table for p in decayed["params"])


@pytest.mark.parametrize(("stage", "code", "message", "hint"), [
    ("«gem»: 2", "SPEC020", "no op or block `gem`", "it is called `power_pool2d` here"),
    ("«PowerPool2d»: 2", "SPEC020", "no op or block", "a similar name exists: `power_pool2d`"),
    ("«RMSNorm»", "SPEC020", "no op or block `RMSNorm`", "a similar name exists: `rms_norm`"),
    ("power_pool2d: {kernel_size: 2, «q»: 1}", "SPEC010", "`power_pool2d` has no field `q`", None),
    ("power_pool2d: «9»", "SHAPE101", "9×9 window does not fit a 8×8 input", "lower kernel_size to at most 8"),
    ("power_pool2d: {kernel_size: 2, p: «-1»}", "SPEC012", "`p` of `power_pool2d` must be more than 0", None),
])  # fmt: skip
def test_mistakes_are_explained(stage: str, code: str, message: str, hint: str | None) -> None:
    text = f"archspec: 1\ninput: [3, 8, 8]\nstages: {{a: [{stage}]}}\n"
    (found,) = assert_marked(text, (code, message))
    assert hint is None or found.hint == hint


def test_a_broken_field_leaves_open_what_it_affects() -> None:
    """The exponent changes no shape, so that `linear` after it is checked; the window leaves the channels known."""
    ending = "flatten, linear: 3]}\nexpect: {a: [4]}"
    assert_marked(spec(f"stages: {{a: [power_pool2d: {{kernel_size: 2, p: «none»}}, {ending.replace('[4]', '«[4]»')}"),
                  ("SPEC012", "`p`"), ("SHAPE110", "expected (4)"))
    assert_marked(spec("stages: {a: [power_pool2d: «none», batch_norm2d, conv2d: {out_channels: 4, kernel_size: 1, groups: «5»}]}"),
                  ("SPEC012", "`kernel_size`"), ("SPEC012", "not divisible"))


def test_what_the_language_lacks_is_no_longer_said_to_be_lacking() -> None:
    (found,) = archspec.check(spec("stages: {a: [selu]}"))
    assert "softplus" in (found.hint or "")


def test_the_doctor_asks_its_traits() -> None:
    layers = [{"linear": 4}, "softplus", {"linear": 4}, "noise", "hardtanh", "rms_norm", {"linear": 2}]
    loaded = archspec.load({"archspec": 1, "input": [4], "stages": {"a": layers}})
    model = archspec.build(loaded)
    assert linear_chains(loaded.graph) == []
    facts = facts_of(model, Recipe(data="cifar10", lr=0.1), loaded.graph)
    assert (facts.norms, facts.batch_norm, facts.saturates, facts.dropout) == (("batch_norm1d",), False, True, 0.0)
    probe = Probe(model)
    model(torch.full((32, 4), 99.0)).sum().backward()
    (activation,) = probe.sample(1, 0.1, [float(f) for f in probe.figures(model, torch.zeros(32, 4))]).activations
    assert (activation.name, activation.kind) == ("a.hardtanh_1", "tanh")
    assert draws(model)
    changed = apply_change({"stages": {"a": layers}}, {"layers.activation": "relu", "layers.norm": "batch_norm"})
    assert changed["stages"]["a"] == [{"linear": 4}, "batch_norm1d", "softplus", {"linear": 4}, "noise", "relu", "rms_norm", {"linear": 2}]


def test_training_and_its_measurements() -> None:
    """Its noise is silent where candidates are compared, and a run with weight decay moves its weights by gradients alone."""
    loaded = archspec.load({"archspec": 1, "input": [1, 8, 8], "stages": {"a": ["noise", {"power_pool2d": 4}, "flatten", {"linear": 4}]}})
    chosen = recipe(epochs=1, weight_decay=0.5, decay_norm_and_bias=False)
    images = tuple(batch for batch, _ in zip(batches(data(), chosen).batches(0), range(COMPARED), strict=False))
    problem = Problem(loaded.graph, chosen, CPU, images)
    candidate = Candidate(Settings(), 1)
    first, second = (measure(problem, candidate, 0.0) for _ in range(2))
    assert first.losses == second.losses and first.refused is None
    model = fresh_model(loaded.graph, chosen, Machine(CPU))
    exponent = model.get_parameter("a.power_pool2d_1.p")
    (_, spared) = make_optimizer(model, chosen, CPU).param_groups
    assert exponent.item() == 3.0 and any(p is exponent for p in spared["params"])
    fit(model, batches(data(), chosen), batches(data(split="test"), chosen), chosen, device=CPU)
    assert 2.0 < exponent.item() < 4.0 and exponent.item() != 3.0


def test_an_image_stays_one_through_it() -> None:
    text = spec("stages: {a: [conv2d: {out_channels: 4, kernel_size: 1}, softplus, rms_norm, linear: 3]}")
    (warning,) = archspec.api.examine(text).warnings
    assert (warning.code, warning.hint) == ("SHAPE112", "put `flatten` before it")


def test_schema_docs_and_listing_have_it() -> None:
    schema = json.dumps(json_schema())
    page = generate.ops_page()
    for op in (PowerPool2d, RMSNorm, Softplus, VolumePool):
        assert f'"{op.op}"' in schema and f"### `{op.op}`" in page
    for text in (page.partition("### `softplus`")[2].partition("###")[0], op_docs("softplus")):
        assert "Shapes: any -> the same." in text
    shown = CliRunner().invoke(cli, ["list", "ops", "power_pool2d"])
    assert shown.exit_code == 0 and "learned exponent" in shown.output


def test_a_merge_may_have_weights_and_inherits_no_alias() -> None:
    loaded = archspec.load(spec("stages: {a: {weighted_add: {x: [], y: [relu], z: [tanh]}}}"))
    model = archspec.build(loaded)
    assert loaded.report.params == 3
    assert {key: p.tolist() for key, p in model.named_parameters()} == {"a.weighted_add.weight": [1.0, 1.0, 1.0]}
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(model(x), x + x.relu() + x.tanh())
    (found,) = archspec.check(spec("stages: {a: {sum: {x: [], y: []}}}"))
    assert found.hint == "it is called `add` here"


def test_a_volume_has_its_own_words() -> None:
    body = "stages: {{a: [volume_pool: {0}, reshape: [$(in.channels * in.depth), $in.height, $in.width], flatten]}}\n"
    text = "archspec: 1\ninput: [2, 4, 8, 8]\n" + body.format(2)
    assert archspec.load(text).report.output_shape == (64,)
    assert archspec.build(archspec.load(text))(torch.zeros(2, 2, 4, 8, 8)).shape == (2, 64)
    assert_marked("archspec: 1\ninput: [2, 4, 8, 8]\n" + body.format("«[5, 2, 2]»"),
                  ("SHAPE101", "5×2×2 window does not fit a 4×8×8 input"))
    assert_marked("archspec: 1\ninput: [2, 8, 8]\nstages: {a: [«volume_pool»: 2]}\n",
                  ("SHAPE102", "needs a volume (channels, depth, height, width), got 3 dimensions"))


def test_specs_with_it_are_tests(pytester: pytest.Pytester) -> None:
    """CONTRIBUTING's example in a file of one's own, beside one's specs: nothing of archspec is changed."""
    pytester.makeconftest(EXAMPLE)
    pytester.makefile(".yaml", net="archspec: 1\ninput: [4]\nstages: {a: [rms, linear: 3], b: rms_norm}\nexpect: {a: [3], params: 22}\n")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1, skipped=2)
    result.stdout.fnmatch_lines(["*it is called `rms_norm` here*"])
    pytester.makefile(".yaml", net="archspec: 1\ninput: [4]\nstages: {a: [rms_norm, linear: 3], b: rms_norm}\nexpect: {a: [3], params: 22}\n")
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


class Forgetful(PowerPool2d):
    op = "forgetful"

    def parameters(self, x: TensorType) -> dict[str, Any]:
        return {}


def test_a_weight_that_an_op_does_not_list_is_an_error_when_it_is_built() -> None:
    with pytest.raises(TypeError, match=r"`forgetful`: its module has the tensors p \[1\], its `parameters` none"):
        build_layer(Forgetful(kernel_size=2), (TensorType((1, 3, 8, 8)),))
    assert isinstance(build_layer(PowerPool2d(kernel_size=2), (TensorType((1, 3, 8, 8)),)), PowerMean)
