"""A run that recomputes stages is the run that does not, bit for bit, in less memory."""

import json

import pytest
import torch

from archspec.analysis.parts import part_lines
from archspec.api import load
from archspec.cli import run as cli
from archspec.train.checkpoint.compatibility import recipe_changes
from archspec.train.checkpoint.digest import spec_digest
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.storage import newest
from archspec.train.loop import fit
from archspec.train.setup import Machine, check_memory, fresh_model
from archspec.train.step.precision import Settings
from tests.helpers import assert_marked
from tests.train.helpers import CPU, batches, data
from tests.train.step.test_microbatch import StopAt

TRAIN, TEST = data(), data(23, split="test", seed=1)
SPEC = """archspec: 1
input: [1, 8, 8]
stages:
  stem: [conv2d: {out_channels: 4, kernel_size: 3}, batch_norm2d, relu]
  body: [conv2d: {out_channels: 4, kernel_size: 3}, batch_norm2d, relu, dropout: 0.3]
  head: [flatten, linear: 4]
"""
TEN = SPEC.replace("linear: 4", "linear: 10")


def network(**fields):
    recipe = {"data": "digits", "lr": 0.1, "batch_size": 10, "epochs": 2, "momentum": 0.9, **fields}
    loaded = load(f"{SPEC}train: {json.dumps(recipe)}\n")
    return loaded.graph, loaded.recipe()


def trained(*callbacks, settings=None, model=None, resume=None, **fields):
    graph, recipe = network(**fields)
    settings = settings or Settings()
    model = model or fresh_model(graph, recipe, Machine(CPU, settings=settings))
    summary = fit(model, batches(TRAIN, recipe), batches(TEST, recipe, shuffle=False), recipe, device=CPU,
                  callbacks=callbacks, settings=settings, resume=resume)
    return model.state_dict(), [(epoch.train_loss, epoch.train_accuracy) for epoch in summary.epochs]


def assert_equal(found, expected):
    assert found[1] == expected[1]
    assert list(found[0]) == list(expected[0])
    assert [name for name in found[0] if not torch.equal(found[0][name], expected[0][name])] == []


@pytest.mark.parametrize("fields", [
    {}, {"ema": 0.9, "clip_grad_norm": 0.1, "mixup": 0.4}, {"accumulate": 2, "batch_size": 5}, {"freeze": "stem"},
], ids=str)
@pytest.mark.parametrize("settings", [
    Settings(), Settings(precision="bf16"), Settings(channels_last=True, own_kernels=True), Settings(deterministic=True),
], ids=["fp32", "bf16", "own", "deterministic"])
def test_a_run_has_the_same_bits(fields, settings):
    assert_equal(trained(settings=settings, recompute=["stem", "body"], **fields), trained(settings=settings, **fields))


def test_a_run_may_go_on_with_other_stages(tmp_path):
    """`recompute` is not a part of what a run is: a smaller machine may continue it."""
    with pytest.raises(KeyboardInterrupt):
        trained(StopAt(7, Checkpointer(tmp_path, every=Every(None, None, None))), recompute="stem")
    assert_equal(trained(resume=newest(tmp_path).saved, recompute="body"), trained())


def test_digests_do_not_have_it():
    (graph, plain), (_, recipe) = network(), network(recompute=["body"])
    assert spec_digest(graph, recipe) == spec_digest(graph, plain)
    assert not recipe_changes(plain.to_data(), recipe.to_data())
    assert recipe.to_data(defaults=False)["recompute"] == ["body"]


def test_a_run_says_so():
    graph, recipe = network(recompute=["stem", "body"])
    assert part_lines(graph, recipe) == ["recomputed in the backward pass: stem, body"]


def test_memory_is_checked_in_the_precision_of_the_run(monkeypatch):
    """A run in bf16 keeps half of the activations: it is not refused for what float32 would need."""
    needed = []
    monkeypatch.setattr("archspec.backends.step.check_fits", lambda size, *_, **__: needed.append(size))
    graph, recipe = network(batch_size=512)
    for precision in ("fp32", "bf16"):
        check_memory(graph, recipe, CPU, settings=Settings(precision=precision))
    assert needed[1] < 0.75 * needed[0]


def test_memory_is_checked_with_it(monkeypatch):
    needed = {}
    monkeypatch.setattr("archspec.backends.step.check_fits", lambda size, *_, **__: needed.setdefault(stages, size))
    for stages in ((), ("stem", "body")):
        graph, recipe = network(batch_size=512, **({"recompute": list(stages)} if stages else {}))
        check_memory(graph, recipe, CPU)
    assert needed[()] > needed["stem", "body"]


@pytest.mark.parametrize(("field", "mistakes"), [
    ("recompute: «stm»", [("SPEC063", "the network has no stage or part `stm`")]),
    ("recompute: [stem, «bdy», body.dropout_1]", [("SPEC063", "the network has no stage or part `bdy`")]),
    ("recompute: [stem, «stem.conv2d_1»]", [("SPEC063", "`stem.conv2d_1` lies in `stem`, which is recomputed as a whole")]),
    ("recompute: «[]»", [("SPEC060", "`recompute` must be the name of a stage or part, or a list of them")]),
    ("recompute: «[stem, stem]»", [("SPEC060", "`recompute` has `stem` twice")]),
    ("«checkpointing»: [stem]", [("SPEC060", "checkpointing")]),
])
def test_a_mistake_is_reported_where_it_is_written(field, mistakes):
    assert_marked(f"{TEN}train: {{data: digits, lr: 0.1, {field}}}\n", *mistakes)


def test_the_command_line_trains_with_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(f"{TEN}train: {{data: digits, lr: 0.1, epochs: 1}}\n")
    command = ("train", "net.yaml", "--limit-train", "64", "--limit-test", "32", "--device", "cpu")
    for folder, extra in (("plain", ()), ("less", ("--set", "train.recompute=[stem, body]"))):
        assert cli([*command, "--run-dir", folder, *extra]) == 0
    assert "recomputed in the backward pass: stem, body" in capsys.readouterr().err
    rows = [(tmp_path / folder / "metrics.csv").read_text().splitlines()[1].split(",")[1:5] for folder in ("plain", "less")]
    assert rows[0] == rows[1]
