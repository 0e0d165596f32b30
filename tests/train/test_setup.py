"""Everything a run needs, and what is refused before it begins."""

import pytest
import torch

from archspec.api import load
from archspec.diagnostics import SpecError
from archspec.train.loop import fit
from archspec.train.setup import Machine, fresh_model, prepare
from archspec.train.step.precision import Settings
from tests.train.helpers import CPU, recipe

STAGES = {
    "conv": [{"conv2d": {"out_channels": 4, "kernel_size": 3}}, "batch_norm2d", "relu"],
    "head": ["global_avg_pool2d", "flatten", {"linear": "$classes"}],
}


def graph(classes=10, channels=1, stages=STAGES):
    spec = {"archspec": 1, "name": "tiny", "input": [channels, 8, 8], "vars": {"classes": classes}, "stages": stages}
    return load(spec).graph


LONE = {"conv": [*STAGES["conv"], "global_avg_pool2d", "batch_norm2d"], "head": ["flatten", {"linear": "$classes"}]}
UNNORMED = {**STAGES, "conv": [{"conv2d": {"out_channels": 4, "kernel_size": 3}}, "relu"]}


def refused(graph, chosen, machine=None):
    with pytest.raises(SpecError) as caught:
        prepare(graph, chosen, machine or Machine(CPU))
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def test_a_task_trains_to_the_end():
    chosen = recipe(lr=0.01, optimizer="adam", epochs=3, batch_size=32)
    task = prepare(graph(stages={"head": ["flatten", {"linear": "$classes"}]}), chosen, Machine(CPU, limit_test=100))
    assert (sum(task.train.step_sizes), sum(task.test.step_sizes)) == (1442, 100)
    assert task.sources.keys() == {"train", "test"}
    assert task.notices == ()
    summary = fit(task.model, task.train, task.test, task.recipe, device=CPU)
    task.close()
    assert summary.last.evaluated_accuracy > 0.8
    assert summary.last.train_loss < summary.epochs[0].train_loss


def test_a_fresh_model_is_a_function_of_the_seed():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = fresh_model(graph(), recipe(), Machine(CPU)).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    second = fresh_model(graph(), recipe(), Machine(CPU)).state_dict()
    third = fresh_model(graph(), recipe(seed=1), Machine(CPU)).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["head.linear_1.weight"], third["head.linear_1.weight"])


def test_channels_last_changes_the_layout_and_not_the_results():
    results = []
    for channels_last in (False, True):
        machine = Machine(CPU, limit_train=64, limit_test=50, settings=Settings(channels_last=channels_last))
        task = prepare(graph(channels=3), recipe(epochs=1), machine)
        weight, x = task.model.get_parameter("conv.conv2d_1.weight"), next(iter(task.train.batches(0))).x
        assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last
        assert x.is_contiguous(memory_format=torch.channels_last) == channels_last
        results.append(fit(task.model, task.train, task.test, task.recipe, device=CPU).last)
    assert results[0].train_loss == pytest.approx(results[1].train_loss, rel=1e-4)


def test_too_few_outputs_are_told_before_data_is_read(monkeypatch):
    monkeypatch.setattr("archspec.data.splits.open_data", lambda *a, **k: pytest.fail("data was read"))
    diagnostic = refused(graph(classes=9), recipe())
    assert (diagnostic.code, diagnostic.message) == ("RUN303", "digits has 10 classes, the network has 9 outputs")


def test_other_channels_are_told_before_data_is_read(monkeypatch):
    monkeypatch.setattr("archspec.data.splits.open_data", lambda *a, **k: pytest.fail("data was read"))
    diagnostic = refused(graph(channels=2), recipe())
    assert diagnostic.code == "RUN303"
    assert "1 channel" in diagnostic.message


def test_a_network_that_gives_an_image_is_refused():
    diagnostic = refused(graph(stages={"conv": {"conv2d": {"out_channels": "$classes", "kernel_size": 3}}}), recipe())
    assert diagnostic.code == "RUN311"
    assert diagnostic.message == (
        "a classifier outputs one number for each class, this network outputs (10, 6, 6)"
    )


def test_more_outputs_than_classes_are_noticed():
    task = prepare(graph(classes=12), recipe(), Machine(CPU, limit_train=10, limit_test=10))
    assert task.notices == ("digits has 10 classes, but the network has 12 outputs: the rest are unused",)


def test_probabilities_before_the_cross_entropy_are_noticed():
    stages = {**STAGES, "end": {"softmax": 1}}
    task = prepare(graph(stages=stages), recipe(), Machine(CPU, limit_train=10, limit_test=10))
    assert task.notices == ("`softmax` ends the network, but its loss, cross entropy, takes logits",)


@pytest.mark.parametrize("chosen", [recipe(batch_size=10**12), recipe(batch_size=10**30)], ids=["big", "overflow"])
def test_a_batch_that_cannot_fit_is_refused_before_data_is_read(monkeypatch, chosen):
    monkeypatch.setattr("archspec.data.splits.open_data", lambda *a, **k: pytest.fail("data was read"))
    diagnostic = refused(graph(), chosen)
    assert diagnostic.code == "BUILD201"
    assert f"batches of {chosen.batch_size}" in diagnostic.message


def test_weights_that_cannot_fit_are_refused_without_building():
    huge = {"head": ["flatten", {"linear": 10**17}, {"linear": "$classes"}]}
    diagnostic = refused(graph(stages=huge), recipe())
    assert diagnostic.code == "BUILD201"
    assert diagnostic.message.startswith("training with batches of 10 needs about ")


def test_momentum_and_adam_need_more(monkeypatch):
    asked = []
    monkeypatch.setattr("archspec.backends.step.check_fits", lambda needed, *a, **k: asked.append(needed))
    machine = Machine(CPU, limit_train=10, limit_test=10)
    for fields in ({}, {"momentum": 0.9}, {"optimizer": "adam"}):
        prepare(graph(), recipe(**fields), machine)
    params = 4 * sum(p.numel() for p in fresh_model(graph(), recipe(), machine).parameters())
    plain, momentum, adam = asked
    assert momentum - plain == params
    assert adam - plain == 2 * params


@pytest.mark.parametrize(("stages", "limit", "batch_size", "sizes"), [
    pytest.param(LONE, 33, 16, [16, 16], id="batch-norm-of-vectors-leaves-a-last-single-image-out"),
    pytest.param(LONE, 34, 16, [16, 16, 2], id="two-are-enough"),
    pytest.param(STAGES, 33, 16, [16, 16, 1], id="batch-norm-of-images-can-do-with-one"),
    pytest.param(UNNORMED, 33, 16, [16, 16, 1], id="without-batch-norm-none-is-left-out"),
])
def test_the_last_batch(stages, limit, batch_size, sizes):
    machine = Machine(CPU, limit_train=limit, limit_test=batch_size + 1)
    task = prepare(graph(stages=stages), recipe(batch_size=batch_size, epochs=1), machine)
    assert task.train.step_sizes == sizes
    assert task.test.step_sizes == [batch_size, 1]
    assert [n for n in task.notices if "needs 2 images or more at a time" in n] == [n for n in task.notices if sum(sizes) < limit]
    assert (sum(sizes) < limit) == bool(task.notices)
    fit(task.model, task.train, task.test, task.recipe, device=CPU)


def test_normalize_reaches_the_batches():
    machine = Machine(CPU, limit_train=20, limit_test=20)
    plain = prepare(graph(), recipe(), machine)
    scaled = prepare(graph(), recipe(normalize={"mean": 0.5, "std": 0.25}), machine)
    for split in ("train", "test"):
        x = next(iter(getattr(plain, split).batches(0))).x
        z = next(iter(getattr(scaled, split).batches(0))).x
        torch.testing.assert_close(z, (x - 0.5) / 0.25)


@pytest.mark.parametrize(("channels_last", "said"), [(True, True), (False, False)])
def test_a_layer_at_which_channels_last_may_crash_is_warned_of(channels_last, said):
    conv = {"out_channels": 2, "kernel_size": 1, "stride": [1, 2], "padding": [0, 1], "dilation": 2}
    graph = load({
        "archspec": 1, "input": [1, 8, 8],
        "stages": {"narrow": {"avg_pool2d": {"kernel_size": [1, 8]}}, "blind": {"conv2d": conv}, "head": ["flatten", {"linear": 10}]},
    }).graph
    machine = Machine(CPU, limit_train=50, limit_test=20, settings=Settings(channels_last=channels_last))
    notices = prepare(graph, recipe(), machine).notices
    assert any("`blind` sees only padding along the width: with --channels-last" in text for text in notices) == said
