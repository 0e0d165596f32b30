"""Several outputs: what a spec may say of them, and every mistake."""

from __future__ import annotations

import pytest

import archspec
from archspec.ir.digest import graph_digest
from archspec.ir.edit import evaluation
from tests.helpers import assert_marked, assert_schema_accepts, spec

STAGES = "{body: [flatten, linear: 8], head: {linear: 4}, aux: [{linear: 6, from: body}, linear: 3]}"
HEADS = spec(f"stages: {STAGES}\noutputs: [head, aux]")
TRAINING = spec(f"stages: {STAGES}\noutputs: {{aux: training, head: always}}")


def test_outputs_come_in_the_order_of_the_list():
    graph = archspec.load(spec(f"stages: {STAGES}\noutputs: [aux, head]")).graph
    assert [(port.name, port.type.shape[1:], port.training) for port in graph.outputs] == [("aux", (3,), False), ("head", (4,), False)]
    graph.verify()
    assert archspec.load(HEADS).report.output_shape == (4,)
    for text in (HEADS, TRAINING):
        assert_schema_accepts(text)


def test_without_outputs_the_last_stage_is_the_only_one():
    plain, listed = ("stages: {a: [flatten, linear: 4], b: relu}" + more for more in ("", "\noutputs: [b]"))
    plain, listed = (archspec.load(spec(text)).graph for text in (plain, listed))
    assert [port.name for port in plain.outputs] == ["b"]
    assert graph_digest(plain) == graph_digest(listed)


def test_training_only_layers_count_as_parameters_and_nothing_else():
    loaded, always = archspec.load(TRAINING), archspec.load(HEADS)
    report = loaded.report
    assert report.params == always.report.params
    assert report.macs == 192 * 8 + 8 * 4
    assert report.training_macs == always.report.macs == report.macs + 8 * 6 + 6 * 3
    assert report.activation_bytes == 4 * (192 + 8 + 4)
    assert report.training_activation_bytes == always.report.activation_bytes == 4 * (192 + 8 + 4 + 6 + 3)
    assert report.output_shape == (4,)
    assert {x.path for x in report.layers() if x.training_only} == {"aux.linear_1", "aux.linear_2"}
    assert report.dominant("params")[0].path == "body.linear_1"
    data = report.to_json()
    assert data["outputs"] == [{"name": "aux", "shape": [3], "dtype": "float32", "training_only": True},
                               {"name": "head", "shape": [4], "dtype": "float32", "training_only": False}]
    assert (data["totals"]["macs"], data["totals"]["training_macs"]) == (report.macs, report.training_macs)


def test_a_template_counts_as_the_report_does():
    template = archspec.Template(TRAINING)
    found = template.totals()
    assert (found.params, found.macs) == (template.base.report.params, template.base.report.macs)
    assert 4 * found.activations == template.base.report.training_activation_bytes


def test_expect_output_is_the_first_output_in_evaluation():
    assert archspec.check(TRAINING + "expect: {output: [4], aux: [3], macs: 1568}\n") == ()
    assert_marked(TRAINING + "expect: {output: «[3]»}\n", ("SHAPE110", "the network gives (4)"))


def test_evaluation_is_a_network_without_the_layers_for_training():
    graph = evaluation(archspec.load(TRAINING).graph)
    graph.verify()
    assert [node.name for node in graph.nodes] == ["body", "head"]
    always = archspec.load(HEADS).graph
    assert evaluation(always) is always
    assert graph_digest(archspec.load(TRAINING).graph) != graph_digest(archspec.load(HEADS).graph)


def test_a_variant_replaces_outputs_or_removes_them(tmp_path):
    (tmp_path / "base.yaml").write_text(TRAINING)
    own = tmp_path / "own.yaml"
    own.write_text("archspec: 1\nextends: base.yaml\n")
    assert [p.name for p in archspec.load(own).graph.outputs] == ["aux", "head"]
    own.write_text("archspec: 1\nextends: base.yaml\nstages: {aux: null}\noutputs: null\n")
    loaded = archspec.load(own)
    assert [p.name for p in loaded.graph.outputs] == ["head"]
    assert "outputs" not in loaded.resolved_yaml()


def test_the_resolved_spec_has_the_same_outputs():
    loaded = archspec.load(TRAINING)
    again = archspec.load(loaded.resolved_yaml())
    assert graph_digest(again.graph) == graph_digest(loaded.graph)
    assert archspec.load(loaded.spec).graph.outputs == loaded.graph.outputs


MISTAKES = [  # stages, outputs, (code, part of the message), part of the hint
    (STAGES, "{head: always, «auxx»: training}", ("SPEC049", "`auxx` is not a stage"), "a similar name exists: `aux`"),
    (STAGES, "[head, «zzz»]", ("SPEC049", "`zzz` is not a stage"), "the stages are: body, head, aux"),
    ("{body: {concat: {left: flatten, right: flatten}}, head: {linear: 3}}", "[head, «left»]", ("SPEC049", "it is a branch in stage `body`"), "make `left` a stage of its own"),
    ("{body: [flatten, {linear: 3, name: hidden}], head: {linear: 3}}", "[head, «hidden»]", ("SPEC049", "it is a layer in stage `body`"), "make `hidden` a stage"),
    ("{body: [flatten, {linear: 3, name: hidden}], head: {linear: 3}}", "[head, «body.hidden»]", ("SPEC049", "it is a part in stage `body`"), "make `hidden` a stage"),
    ("{body: [flatten, linear: 3], head: {half: {}}}", "[«half»]", ("SPEC049", "it is a block"), "write `head`"),
    (STAGES, "«head»", ("SPEC012", "must list stages"), "write `outputs: [head]`"),
    (STAGES, "«[]»", ("SPEC012", "must list stages"), "write `outputs: [aux]`"),
    (STAGES, "«null»", ("SPEC012", "must list stages, got null"), "remove it"),
    (STAGES, "[head, aux, «head»]", ("SPEC012", "`head` is listed twice"), "remove it here"),
    (STAGES, "[head, «{aux: training}»]", ("SPEC012", "must be the name of a stage"), "write a mapping, without dashes"),
    (STAGES, "[head, aux, «3»]", ("SPEC012", "must be the name of a stage, got 3"), "write the name of a stage"),
    (STAGES, "[head, «$aux»]", ("SPEC049", "`$aux` is not a stage"), "a similar name exists: `aux`"),
    (STAGES, "{head: always, aux: «trainng»}", ("SPEC012", "`aux` must be always or training"), "a similar name exists: `training`"),
    (STAGES, "{cls: «head», aux: training}", ("SPEC049", "`cls` cannot rename the stage `head`"), "write `head: always`: outputs have the names"),
    (STAGES, "{head: always, aux: training, «zzz»: 3}", ("SPEC049", "`zzz` is not a stage"), "the stages are: body, head, aux"),
    (STAGES, "{«head», aux: training}", ("SPEC012", "`head` must be always or training, got null"), "write `head: always`"),
    (STAGES, "«{head: training, aux: training}»", ("SPEC049", "evaluation has no output"), "write `head: always`"),
    (STAGES.replace("aux", "«aux»"), "[head]", ("SPEC041", "nothing uses the output of `aux`"), "list it in `outputs`"),
    (STAGES.replace("head", "«head»"), None, ("SPEC041", "nothing uses the output of `head`"), "list it in `outputs`"),
]


@pytest.mark.parametrize(("stages", "outputs", "mistake", "hint"), MISTAKES)
def test_mistakes(stages, outputs, mistake, hint):
    blocks = "blocks: {half: [linear: 2]}\n" if "half" in stages else ""
    (found,) = assert_marked(spec(f"stages: {stages}" + ("" if outputs is None else f"\noutputs: {outputs}"), blocks), mistake)
    assert hint in found.hint


def test_an_input_is_not_an_output():
    assert_marked("archspec: 1\ninput: {image: [3, 8, 8]}\nstages: {a: relu}\noutputs: [a, «image»]\n", ("SPEC049", "it is an input"))


def test_a_mistake_in_an_output_does_not_hide_others():
    assert_marked(spec("stages: {a: [flatten, linear: 3], b: {«conv2d»: {out_channels: 3, kernel_size: 1}}}\noutputs: [b, «bb»]"),
                  ("SHAPE102", "needs an image"), ("SPEC049", "`bb`"))


def test_evaluation_needs_the_owner_of_shared_weights():
    stages = "{body: [flatten, linear: 8], aux: {linear: 4}, head: {share: aux, from: body}}"
    (found,) = assert_marked(spec(f"stages: {stages}\noutputs: {{head: always, aux: «training»}}"), ("SPEC049", "`head` runs in evaluation with the weights of `aux`"))
    assert found.fix is not None
    stages = "{body: [flatten, linear: 8], aux: {linear: 4}, more: {linear: 2}, «head»: {share: aux, from: body}}"
    assert_marked(spec(f"stages: {stages}\noutputs: {{head: always, more: training}}"), ("SPEC049", "`head` runs in evaluation"))
    stages = "{body: [flatten, linear: 8], head: {linear: 4}, aux: {share: head, from: body}}"
    loaded = archspec.load(spec(f"stages: {stages}\noutputs: {{head: always, aux: training}}"))
    assert (loaded.report.macs, loaded.report.training_macs) == (192 * 8 + 32, 192 * 8 + 64)
    evaluation(loaded.graph).verify()


TRAIN = "\ntrain: {data: fashion-mnist, epochs: 1, batch_size: 8, optimizer: sgd, lr: 0.1, loss: {head: cross_entropy, aux: cross_entropy}}"


@pytest.mark.parametrize(("outputs", "part"), [
    ("{«haed»: always, aux: training}", "`haed` is not a stage"), ("[head, «auxx»]", "`auxx` is not a stage"),
    ("«{head: training, aux: training}»", "evaluation has no output"),
])
def test_a_recipe_is_not_compared_with_outputs_that_are_unknown(outputs, part):
    text = "archspec: 1\ninput: [1, 28, 28]\nstages: {body: [flatten, linear: 8], aux: {linear: 10}, head: [{linear: 10, from: body}]}\n"
    assert archspec.check(f"{text}outputs: {{head: always, aux: training}}{TRAIN}") == ()
    assert_marked(f"{text}outputs: {outputs}{TRAIN}", ("SPEC049", part))
